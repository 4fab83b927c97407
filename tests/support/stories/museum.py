# SPDX-License-Identifier: Apache-2.0
"""The world of the multimodal story. A museum by the sea answers questions about its pages, photographs and recordings:

    documents/  -> chunk  -> chunks.jsonl      \\
    photos/     -> look   -> captions.jsonl     -> index -> index.json -> retrieve -> context.json -> compose -> request.json
    recordings/ -> listen -> transcripts.jsonl /                  question.txt /            prompt.txt /            |
                                                                      page.html <- publish <- answer.json <- ask <-/  (a model)

On Monday the three at the left run at once. On Tuesday a page has been corrected, a photograph withdrawn, the prompt was written
anew and the provider has a newer model. Somebody is too quick, and the gate of `index` says no: a transcript is not there yet.
Then the provider is busy, and answers the second time. On Wednesday nothing was recorded any more: the gate says no for good."""
import hashlib
import json
import struct
import wave

import ai_server

from stories.place import Place

CHUNK = r"""
import json, pathlib, sys
with open(sys.argv[2], "w") as out:
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        for n, sentence in enumerate(filter(None, path.read_text().split(". "))):
            print(json.dumps({"id": "%s/%d" % (path.name, n), "text": sentence.strip(" .\n")}), file=out)
"""

LOOK = r"""
import json, pathlib, sys
with open(sys.argv[2], "w") as out:
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        pixels = path.read_bytes().split(b"\n", 3)[3]
        light = sum(pixels) / len(pixels)
        print(json.dumps({"id": path.name, "text": "the harbour by %s" % ("day" if light > 127 else "night")}), file=out)
"""

LISTEN = r"""
import json, pathlib, struct, sys, wave
with open(sys.argv[2], "w") as out:
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        with wave.open(str(path)) as sound:
            samples = struct.unpack("<%dh" % sound.getnframes(), sound.readframes(sound.getnframes()))
        turns = sum((a < 0) != (b < 0) for a, b in zip(samples, samples[1:]))
        print(json.dumps({"id": path.name, "text": "a horn of the harbour, %d turns" % turns}), file=out)
"""

INDEX = r"""
import json, sys
entries = [json.loads(line) for name in sys.argv[1:-1] for line in open(name)]
words = {}
for entry in entries:
    for word in entry["text"].lower().split():
        words.setdefault(word.strip(",."), []).append(entry["id"])
json.dump({"words": words, "texts": {entry["id"]: entry["text"] for entry in entries}}, open(sys.argv[-1], "w"), sort_keys=True)
"""

RETRIEVE = r"""
import json, sys
index, question = json.load(open(sys.argv[1])), open(sys.argv[2]).read().lower().strip("?\n").split()
scores = {}
for word in question:
    for entry in index["words"].get(word, []):
        scores[entry] = scores.get(entry, 0) + 1
best = sorted(scores, key=lambda entry: (-scores[entry], entry))[:4]
json.dump([{"id": entry, "text": index["texts"][entry]} for entry in best], open(sys.argv[3], "w"))
"""

COMPOSE = r"""
import json, sys
context, prompt, question = json.load(open(sys.argv[1])), open(sys.argv[2]).read(), open(sys.argv[3]).read()
text = prompt.replace("{question}", question).replace("{context}", "\n".join(entry["text"] for entry in context))
json.dump({"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "temperature": 0}, open(sys.argv[4], "w"))
"""

PUBLISH = r"""
import json, sys
said = json.load(open(sys.argv[1]))["choices"][0]["message"]["content"]
open(sys.argv[2], "w").write("<p>%s</p>\n" % said)
"""

MADE = ("chunks.jsonl", "captions.jsonl", "transcripts.jsonl", "index.json", "context.json", "request.json", "answer.json", "page.html")


def photo(light):
    return b"P6\n8 8\n255\n" + bytes((light + n % 7) % 256 for n in range(8 * 8 * 3))


class Museum(Place):
    def __init__(self, runner, directory, **store):
        super().__init__(runner, directory, "museum", {
            "chunk.py": CHUNK, "look.py": LOOK, "listen.py": LISTEN, "index.py": INDEX, "retrieve.py": RETRIEVE,
            "compose.py": COMPOSE, "publish.py": PUBLISH, "question.txt": "What is to be seen in the harbour by night?\n",
            "prompt.txt": "Answer: {question}\n{context}\n"}, store)
        for folder in ("documents", "photos", "recordings"):
            (self.files / folder).mkdir()
        for name, text in (("harbour", "The harbour is old. Ships lie there by night."), ("storm", "The storm came in 1916."),
                           ("tower", "The tower has a lamp.")):
            (self.files / "documents" / (name + ".txt")).write_text(text)
        for name, light in (("quay", 20), ("market", 200), ("pier", 40)):
            (self.files / "photos" / (name + ".ppm")).write_bytes(photo(light))
        with wave.open(str(self.files / "recordings/horn.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(b"".join(struct.pack("<h", 9000 if n // 40 % 2 else -9000) for n in range(2000)))
        self.provider = ai_server.AiServer([
            self.answer("Ships, on Monday.", "monday", "gpt-4o-2024-08-06"), ai_server.refusal(429, headers=[("Retry-After", "0")]),
            self.answer("Ships and a lamp.", "tuesday", "gpt-4o-2024-11-20")])
        self.env["OPENAI_API_KEY"] = "sk-of-the-museum-000000001"

    @staticmethod
    def answer(text, day, model):
        made = ai_server.openai(text, model)
        made.headers = [(name, "req_" + day if name == "x-request-id" else value) for name, value in made.headers]
        made.body = made.body.replace(b"chatcmpl-A1", b"chatcmpl-" + day.encode())
        return made

    def play(self):
        try:
            self.monday()
            self.settle()
            self.after_monday = self("date", "-u", "+%FT%T.%3NZ").stdout.strip()
            self.tuesday()
            self.wednesday()
        finally:
            self.provider.close()
        self.settle()
        return self

    def called(self, day, model, prompt):
        """What a call is told to have used, beside its request."""
        self.versions["gpt-4o", model] = model
        self.versions["guide", "%d" % prompt] = "guide@%d" % prompt
        self.versions["guide", self.version("index.json")] = "corpus of " + day

    def sources(self, day):
        """What the museum has that day, under its names of that day."""
        for folder in ("documents", "photos", "recordings"):
            self.made(folder, "%s of %s" % (folder, day))
        self.made("prompt.txt", "prompt of " + day)
        self.made("question.txt")

    def steps(self, *steps):
        """Several at once."""
        running = [self.runner.start("lineage", "run", "-q", "--step", step, "--seq", number, *ends, *more, "--", "python3",
                                     *command, env=self.env, cwd=self.files)
                   for step, number, ends, more, command in map(self.step, steps)]
        return [each.wait(60) for each in running]

    @staticmethod
    def step(step):
        name, number, inputs, output, *more = step
        files = [each.partition("manifest:")[2] or each for each in inputs]
        return (name, number, [word for each in inputs for word in ("-i", each)] + ["-o", output], more,
                [name + ".py", *files, output])

    CHUNKS = ("chunk", 10, ["documents"], "chunks.jsonl", "--collect", "none")
    CAPTIONS = ("look", 20, ["photos"], "captions.jsonl", "--collect", "none")
    TRANSCRIPTS = ("listen", 30, ["recordings"], "transcripts.jsonl", "--collect", "none")
    INDEXED = ("index", 40, ["chunks.jsonl", "captions.jsonl", "transcripts.jsonl"], "index.json", "--collect", "none",
               "--gate", "test -s transcripts.jsonl")

    def begin_day(self, day):
        self.begin(day, "--pipeline", "guide", "--group", "day=" + day,
                   *[word for each in ("documents", "photos", "recordings", "question.txt", "prompt.txt")
                     for word in ("--input", "%s=%s" % (each.partition(".")[0], each))])

    def ask_the_model(self, day, version):
        """From the index to the page."""
        retrieved = self.step(("retrieve", 50, ["index.json", "question.txt"], "context.json"))
        for name, number, ends, more, command in (
                retrieved, self.step(("compose", 60, ["context.json", "prompt.txt", "question.txt"], "request.json"))):
            self("lineage", "run", "-q", "--step", name, "--seq", number, "--collect", "none", *ends, *more, "--", "python3", *command)
        self("lineage", "call", "-q", "--provider", "openai", "--step", "ask", "--seq", 70, "--prompt-template",
             "guide@%d=prompt.txt" % version, "--corpus", "guide@sha256:" + self.sha("index.json"), "-o", "answer.json",
             self.provider.url + "/v1/chat/completions", "@request.json")
        self("lineage", "run", "-q", "--step", "publish", "--seq", 80, "--collect", "none", "--gate", "grep -q Ships answer.json",
             "-i", "answer.json", "-o", "page.html", "--", "python3", "publish.py", "answer.json", "page.html")
        self.end()
        for made in MADE:
            self.made(made, "%s of %s" % (made, day) if (made, self.version(made)) not in self.versions else
                      self.versions[made, self.version(made)])

    def monday(self):
        self.sources("monday")
        self.begin_day("monday")
        assert self.steps(self.CHUNKS, self.CAPTIONS, self.TRANSCRIPTS) == [0, 0, 0]
        assert self.steps(self.INDEXED) == [0]
        self.ask_the_model("monday", 1)
        self.called("monday", "gpt-4o-2024-08-06", 1)

    def tuesday(self):
        (self.files / "documents/storm.txt").write_text("The storm came in 1917.")
        (self.files / "photos/quay.ppm").unlink()
        (self.files / "prompt.txt").write_text("Answer in one line: {question}\n{context}\n")
        (self.files / "transcripts.jsonl").unlink()
        self.sources("tuesday")
        self.versions["recordings", self.version("recordings")] = "recordings of monday"  # they are the same
        self.begin_day("tuesday")
        assert self.steps(self.CHUNKS, self.CAPTIONS) == [0, 0]
        assert self.steps(self.INDEXED) == [125], "the gate: no transcript is there yet"
        assert self.steps(self.TRANSCRIPTS) == [0]
        assert self.steps(self.INDEXED) == [0]
        self.ask_the_model("tuesday", 2)
        self.called("tuesday", "gpt-4o-2024-11-20", 2)

    def wednesday(self):
        (self.files / "recordings/horn.wav").unlink()
        self.made("recordings", "recordings of wednesday")
        self.begin_day("wednesday")
        assert self.steps(self.TRANSCRIPTS) == [0]
        self.made("transcripts.jsonl", "transcripts.jsonl, empty")
        assert self.steps(self.INDEXED) == [125]
        self.end("--fail")

    def past(self, file, day, name=None):
        """A file as it was that day, for a question."""
        name = name or "%s of %s" % (file, day)
        if name == "prompt.txt of " + day:
            name = "prompt of " + day
        return next("%s#%s" % (self.files / file, version) for (_, version), known in self.versions.items() if known == name)

    def version(self, path):
        return "sha256:" + self("lineage", "artifact", path).stdout.split()[0]

    def sha(self, file):
        return hashlib.sha256((self.files / file).read_bytes()).hexdigest()
