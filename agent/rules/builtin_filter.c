/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A pattern that matches in a text has its bit set for it: every expression in builtin.c needs
 * one of its literals there (test_rules_builtin.c proves it on each of its samples); a card number
 * and an SSN are found by their digits.
 *  2. In JSON as it came, any \u escape sets all bits, as it may stand for any character; other
 * escapes stand for no letter, digit or sign of a literal, but for the slash, which none has.
 *  3. One look at each pair of bytes, two apart: of any three bytes of a literal one pair begins at
 * an even place, wherever the literal begins. The three are those that are rarest in events. */
#include <limits.h>
#include <stdlib.h>
#include "builtin.h"

#define CHAIN_END 0xff

struct builtin_filter {
    uint32_t names;
    bool has_card, has_ssn;
    uint8_t pairs[65536 / 8]; /* bit of each pair worth a second look */
    uint8_t
        first[256]; /* by the first of a literal's three bytes, lower case: a chain of triggers */
    uint8_t next[CHAIN_END];
    uint8_t offset[CHAIN_END]; /* of each trigger: where its three bytes begin */
};

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static unsigned char upper(unsigned char c)
{
    return c >= 'a' && c <= 'z' ? (unsigned char)(c - 32) : c;
}

static void add_pair(struct builtin_filter *f, unsigned char a, unsigned char b)
{
    unsigned index = (unsigned)a << 8 | b;
    f->pairs[index >> 3] |= (uint8_t)(1u << (index & 7));
}

static void add_any_pair(struct builtin_filter *f, unsigned char c)
{
    for (unsigned other = 0; other < 256; other++) {
        add_pair(f, c, (unsigned char)other);
        add_pair(f, (unsigned char)other, c);
    }
}

/* About how often a byte stands in events, in a thousand. */
static unsigned commonness(unsigned char c)
{
    static const uint8_t letters[26] = {82, 15, 28, 43, 127, 22, 20, 25, 70, 3,  8, 40, 24,
                                        67, 75, 19, 2,  60,  63, 91, 28, 10, 12, 4, 20, 3};
    if (c >= 'a' && c <= 'z')
        return letters[c - 'a'];
    return c >= '0' && c <= '9' ? 40 : c >= 'A' && c <= 'Z' ? 10 : 8;
}

/* Where the three bytes begin that give the fewest false alarms. */
static size_t rarest(const char *literal)
{
    size_t best = 0;
    unsigned best_score = UINT_MAX;
    for (size_t k = 0; literal[k] != '\0' && literal[k + 1] != '\0' && literal[k + 2] != '\0';
         k++) {
        unsigned score =
            commonness((unsigned char)literal[k + 1]) *
            (commonness((unsigned char)literal[k]) + commonness((unsigned char)literal[k + 2]));
        if (score < best_score) {
            best = k;
            best_score = score;
        }
    }
    return best;
}

static void add_literal(struct builtin_filter *f, const struct builtin_trigger *t, size_t offset)
{
    const unsigned char *s = (const unsigned char *)t->literal + offset;
    if (s[1] == '\0') {
        add_any_pair(f, s[0]);
        return;
    }
    for (int i = 0; i < 2; i++) {
        add_pair(f, s[i], s[i + 1]);
        if (!t->is_caseless)
            continue;
        add_pair(f, lower(s[i]), lower(s[i + 1]));
        add_pair(f, lower(s[i]), upper(s[i + 1]));
        add_pair(f, upper(s[i]), lower(s[i + 1]));
        add_pair(f, upper(s[i]), upper(s[i + 1]));
    }
}

struct builtin_filter *builtin_filter_new(uint32_t names)
{
    struct builtin_filter *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    assert(builtin_trigger_count < CHAIN_END);
    f->names = names;
    f->has_card = (names & builtin_card_bit()) != 0;
    f->has_ssn = (names & builtin_ssn_bit()) != 0;
    memset(f->first, CHAIN_END, sizeof f->first);
    add_any_pair(f, '\\');
    for (unsigned digit = '0'; f->has_ssn && digit <= '9'; digit++) {
        add_pair(f, (unsigned char)digit, '-');
        add_pair(f, '-', (unsigned char)digit);
    }
    for (size_t i = 0; i < builtin_trigger_count; i++) {
        const struct builtin_trigger *t = &builtin_triggers[i];
        size_t offset = rarest(t->literal);
        unsigned char key = lower((unsigned char)t->literal[offset]);
        if ((t->names & names) == 0)
            continue;
        add_literal(f, t, offset);
        f->offset[i] = (uint8_t)offset;
        f->next[i] = f->first[key];
        f->first[key] = (uint8_t)i;
    }
    return f;
}

void builtin_filter_free(struct builtin_filter *f)
{
    free(f);
}

/* ---- a second look ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter_or_digit(char c)
{
    return is_digit(c) || lower((unsigned char)c) != upper((unsigned char)c) || c == '_';
}

static bool stands_at(const struct builtin_trigger *t, struct ol__span text, size_t at)
{
    for (size_t i = 0; t->literal[i] != '\0'; i++) {
        if (at + i >= text.size)
            return false;
        unsigned char c = (unsigned char)text.data[at + i], want = (unsigned char)t->literal[i];
        if (c != want && !(t->is_caseless && lower(c) == lower(want)))
            return false;
    }
    return true;
}

/* A letter of an escape before it is no letter. */
static bool is_word_start(struct ol__span text, size_t at, bool is_json)
{
    if (at == 0 || !is_letter_or_digit(text.data[at - 1]))
        return true;
    return is_json && at >= 2 && text.data[at - 2] == '\\';
}

static uint32_t literals_at(const struct builtin_filter *f, struct ol__span text, size_t at,
                            bool is_json)
{
    uint32_t found = 0;
    if (is_json && text.data[at] == '\\' && at + 1 < text.size && text.data[at + 1] == 'u')
        return f->names; /* promise 2 */
    for (uint8_t i = f->first[lower((unsigned char)text.data[at])]; i != CHAIN_END;
         i = f->next[i]) {
        const struct builtin_trigger *t = &builtin_triggers[i];
        if (at >= f->offset[i] && stands_at(t, text, at - f->offset[i]) &&
            (!t->is_word || is_word_start(text, at - f->offset[i], is_json)))
            found |= t->names;
    }
    return found;
}

/* ddd-dd-dddd with its first hyphen at @p at. */
static bool is_ssn(struct ol__span text, size_t at)
{
    static const char shape[] = "ddd-dd-dddd";
    if (at < 3 || text.data[at] != '-' || text.size - (at - 3) < sizeof shape - 1)
        return false;
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        char c = text.data[at - 3 + i];
        if (shape[i] == 'd' ? !is_digit(c) : c != '-')
            return false;
    }
    return true;
}

static uint32_t look(const struct builtin_filter *f, struct ol__span text, size_t at, bool is_json)
{
    uint32_t found = literals_at(f, text, at, is_json);
    if (at > 0)
        found |= literals_at(f, text, at - 1, is_json);
    if (at + 1 < text.size)
        found |= literals_at(f, text, at + 1, is_json);
    if (f->has_ssn && (is_ssn(text, at) || (at + 1 < text.size && is_ssn(text, at + 1))))
        found |= builtin_ssn_bit();
    return found;
}

/* ---- card numbers ---- */

static bool is_of_card(char c)
{
    return is_digit(c) || c == ' ' || c == '-';
}

/* Whether 13 digits stand in [begin, end) behind one that a card's number can begin with. */
static bool is_card(struct ol__span text, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        if (text.data[i] < '2' || text.data[i] > '6' || (i > begin && is_digit(text.data[i - 1])))
            continue;
        size_t digits = 0;
        for (size_t k = i; k < end && digits < 13; k++)
            digits += is_digit(text.data[k]);
        return digits == 13; /* a later one has fewer */
    }
    return false;
}

/* A run of 13 covers every 13th byte. */
static bool has_card(struct ol__span text)
{
    for (size_t i = 12; i < text.size; i += 13) {
        if (!is_of_card(text.data[i]))
            continue;
        size_t begin = i, end = i;
        while (begin > 0 && is_of_card(text.data[begin - 1]))
            begin--;
        while (end < text.size && is_of_card(text.data[end]))
            end++;
        if (end - begin >= 13 && is_card(text, begin, end))
            return true;
        i = OL_MAX(i, end - 1);
    }
    return false;
}

uint32_t builtin_filter_find(const struct builtin_filter *f, struct ol__span text, bool is_json)
{
    uint32_t found = 0;
    const unsigned char *s = (const unsigned char *)text.data;
    if (text.size == 0)
        return 0;
    if (f->has_card && has_card(text))
        found |= builtin_card_bit();
    for (size_t i = 0; i + 1 < text.size; i += 2) { /* promise 3 */
        unsigned index = (unsigned)s[i] << 8 | s[i + 1];
        if ((f->pairs[index >> 3] >> (index & 7) & 1) != 0) {
            found |= look(f, text, i, is_json);
            if (found == f->names)
                return found;
        }
    }
    return (found | look(f, text, text.size - 1, is_json)) & f->names;
}
