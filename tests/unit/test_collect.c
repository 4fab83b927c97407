/* SPDX-License-Identifier: Apache-2.0 */
/* Collectors over files that stand for the system's own: what each kind of file says, and what
 * becomes of files that are none, or not such ones. The real machine, container and git are the
 * business of tests/e2e/test_collect.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "collect.h"

#define SHA "1f2e3d4c5b6a79880716253443526170aabbccdd"
#define OTHER "00112233445566778899aabbccddeeff00112233"
#define ID "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct fixture {
    char root[64];
    struct ol__collected c;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->root, sizeof f->root, "/tmp/test_collect.XXXXXX");
    assert_non_null(mkdtemp(f->root));
    ol__collected_init(&f->c, f->root);
    clearenv();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];
    ol__collected_release(&f->c);
    snprintf(command, sizeof command, "/bin/rm -rf '%s'", f->root);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* A file below the root, its folders with it. */
static void put(const struct fixture *f, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", f->root, path);
    for (char *at = full + strlen(f->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void same(const char *is, const char *wanted)
{
    if (wanted == NULL)
        assert_null(is);
    else {
        assert_non_null(is);
        assert_string_equal(is, wanted);
    }
}

/* ---- git ---- */

struct told {
    char text[1024];
};

static void tell(void *arg, struct ol__span section, struct ol__span subsection,
                 struct ol__span key, struct ol__span value)
{
    struct told *told = arg;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof told->text - used, "%.*s|%.*s|%.*s=%.*s;", (int)section.size,
             section.data, (int)subsection.size, subsection.data, (int)key.size, key.data,
             (int)value.size, value.data);
}

static void git_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"[core]\n\tbare = false\n", "core||bare=false;"},
        {"[Remote \"Up\"]\n\tURL=x ; no\n", "remote|Up|url=x;"},
        {"[a \"b\\\"c\\\\d\"] k = v", "a|b\"c\\d|k=v;"},
        {"[a.B.c]\nk=v", "a|b.c|k=v;"},
        {"[a]\nk = \" x ; \" y  # z\n", "a||k= x ;  y;"},
        {"[a]\nk = one\\\n two\n", "a||k=one two;"},
        {"[a]\nk = t\\tn\\\\\n", "a||k=t\tn\\;"},
        {"[a]\nk\nl = 1\n", "a||k=;a||l=1;"},
        {"\xef\xbb\xbf; c\n# c\n[a]\r\nk = v\r\n", "a||k=v;"},
        {"k = v\n", ""},
        {"[a\nk = v\n", ""},
        {"[a \"b\nk = v\n", ""},
        {"[a]\nk = \"open\nl = 1\n", ""},
        {"[a]\nk = \\x\nl = 1\n", ""},
        {"[a]\nk = end\\", ""},
        {"[]\nk = v\n", ""},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct told told = {""};
        ol__git_config_read(ol__span_text(cases[i].text), tell, &told);
        if (strcmp(told.text, cases[i].told) != 0)
            fail_msg("%zu: %s\nis:   %s\nwant: %s", i, cases[i].text, told.text, cases[i].told);
    }
}

static void git_configuration_of_any_size(void **state)
{
    (void)state;
    static char text[20000];
    struct told told = {""};
    size_t n = (size_t)snprintf(text, sizeof text, "[a \"");
    memset(text + n, 'x', 9000);
    n += 9000;
    n += (size_t)snprintf(text + n, sizeof text - n, "\"]\nk = 1\n[b]\nl = ");
    memset(text + n, 'y', 9000);
    n += 9000;
    n += (size_t)snprintf(text + n, sizeof text - n, "\nm = 2\n");
    ol__git_config_read((struct ol__span){text, n}, tell, &told);
    assert_string_equal(told.text, "b||m=2;");
}

static void packed_refs(void **state)
{
    (void)state;
    static const char text[] =
        "# pack-refs with: peeled fully-peeled sorted \n" OTHER " refs/heads/main\n" SHA
        " refs/heads/work\n" OTHER " refs/tags/v1\n^" SHA "\nnonsense\n" SHA " refs/tags/light\n";
    struct ol__span hash, tag;
    ol__git_refs_find(OL_SPAN_LIT(text), OL_SPAN_LIT("refs/heads/work"), OL_SPAN_LIT(SHA), &hash,
                      &tag);
    assert_true(ol__span_equal(hash, OL_SPAN_LIT(SHA)));
    assert_true(ol__span_equal(tag, OL_SPAN_LIT("v1"))); /* by what it points at */
    ol__git_refs_find(OL_SPAN_LIT(text), OL_SPAN_LIT("refs/heads/wor"), (struct ol__span){"", 0},
                      &hash, &tag);
    assert_int_equal(hash.size + tag.size, 0);
}

static void collect_in(struct fixture *f, const char *below)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", f->root, below);
    f->c.root = ""; /* paths of git are whole */
    assert_int_equal(ol__collect_code(&f->c, path), OL_OK);
}

static void git_by_its_files(void **state)
{
    struct fixture *f = *state;
    put(f, "/w/.git/HEAD", "ref: refs/heads/topic/x\n");
    put(f, "/w/.git/refs/heads/topic/x", SHA "\n");
    put(f, "/w/.git/refs/tags/rel/1.0", SHA "\n");
    put(f, "/w/.git/config",
        "[remote \"origin\"]\n url = https://ann:ghp_secret@example.org/o.git?token=1\n"
        "[remote \"fork\"]\n url = git@example.org:fork.git\n"
        "[branch \"topic/x\"]\n remote = fork\n");
    put(f, "/w/.gitmodules",
        "[submodule \"m\"]\n path = lib/m\n url = ../m\n"
        "[submodule \"e\"]\n path = ../../etc\n");
    put(f, "/w/lib/m/.git", "gitdir: ../../.git/modules/m\n");
    put(f, "/w/.git/modules/m/HEAD", OTHER "\n");
    put(f, "/w/deep/er/file", "");
    collect_in(f, "/w/deep/er");
    assert_int_equal(f->c.found, OL_COLLECT_CODE);
    same(f->c.code.commit, SHA);
    same(f->c.code.branch, "topic/x");
    same(f->c.code.tag, "rel/1.0");
    same(f->c.code.remote, "git@example.org:fork.git");
    assert_int_equal(f->c.code.submodule_count, 1);
    same(f->c.code.submodules[0].path, "lib/m");
    same(f->c.code.submodules[0].commit, OTHER);
}

static void git_of_a_worktree(void **state)
{
    struct fixture *f = *state;
    put(f, "/main/.git/worktrees/side/HEAD", "ref: refs/heads/side\n");
    put(f, "/main/.git/worktrees/side/commondir", "../..\n");
    put(f, "/main/.git/packed-refs", SHA " refs/heads/side\n");
    put(f, "/main/.git/config", "[remote \"only\"]\nurl = ssh://git@example.org:22/o.git\n");
    put(f, "/side/.git", "gitdir: ../main/.git/worktrees/side\n");
    collect_in(f, "/side");
    same(f->c.code.commit, SHA);
    same(f->c.code.branch, "side");
    same(f->c.code.remote, "ssh://git@example.org:22/o.git");
}

static void git_that_is_none(void **state)
{
    struct fixture *f = *state;
    char path[128], target[128];
    static const char *const heads[] = {"", "ref: ../../../../etc/passwd\n", "ref: refs/../x\n",
                                        "abc\n", "ref: refs/heads/../../HEAD\n"};
    for (size_t i = 0; i < OL_COUNT(heads); i++) {
        put(f, "/w/.git/HEAD", heads[i]);
        collect_in(f, "/w");
        assert_int_equal(f->c.found, 0);
    }
    put(f, "/l/.git", "gitdir: ../l/.git\n"); /* leads to itself */
    collect_in(f, "/l");
    assert_int_equal(f->c.found, 0);
    /* a FIFO would wait for ever, a loop of links leads nowhere, a folder is no file */
    put(f, "/h/.git/x", "");
    snprintf(path, sizeof path, "%s/h/.git/HEAD", f->root);
    assert_int_equal(mkfifo(path, 0600), 0);
    collect_in(f, "/h");
    assert_int_equal(unlink(path), 0);
    snprintf(target, sizeof target, "%s/h/.git/ROUND", f->root);
    assert_int_equal(symlink(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    collect_in(f, "/h");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    collect_in(f, "/h");
    assert_int_equal(f->c.found, 0);
}

/* Of packed-refs only the first megabytes are read: what is behind them is not told. */
static void git_with_endless_refs(void **state)
{
    struct fixture *f = *state;
    char path[128];
    put(f, "/w/.git/HEAD", "ref: refs/heads/main\n");
    put(f, "/w/.git/packed-refs", "");
    snprintf(path, sizeof path, "%s/w/.git/packed-refs", f->root);
    assert_int_equal(truncate(path, (off_t)1 << 40), 0); /* a hole */
    collect_in(f, "/w");
    same(f->c.code.branch, "main");
    same(f->c.code.commit, NULL);
}

static void addresses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *url, *kept;
    } cases[] = {
        {"https://example.org/o.git", "https://example.org/o.git"},
        {"https://token@example.org/o.git", "https://example.org/o.git"},
        {"https://u:p@ss@example.org/o@x", "https://example.org/o@x"},
        {"https://example.org/o?access_token=1#f", "https://example.org/o"},
        {"ssh://git@example.org/o", "ssh://git@example.org/o"},
        {"ssh://git:pw@example.org/o", "ssh://example.org/o"},
        {"git@example.org:o.git", "git@example.org:o.git"},
        {"u:pw@example.org/o.git", "example.org/o.git"},
        {"/srv/git/o.git", "/srv/git/o.git"},
        {"a\nb", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        same(ol__collect_keep_url(&f->c, ol__span_text(cases[i].url)), cases[i].kept);
}

/* ---- container ---- */

static void containers(void **state)
{
    static const struct {
        const char *file, *text, *runtime, *id, *pod;
    } cases[] = {
        {"/proc/self/cgroup", "0::/system.slice/docker-" ID ".scope\n", "docker", ID, NULL},
        {"/proc/self/cgroup", "12:memory:/docker/" ID "\n0::/x\n", "docker", ID, NULL},
        {"/proc/self/cgroup",
         "0::/kubepods.slice/kubepods-besteffort.slice/"
         "kubepods-besteffort-pod0a1b2c3d_1111_2222_3333_0123456789ab.slice/"
         "cri-containerd-" ID ".scope\n",
         "containerd", ID, "0a1b2c3d-1111-2222-3333-0123456789ab"},
        {"/proc/self/cgroup",
         "1:cpu:/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-0123456789ab/" ID "\n", "kubernetes",
         ID, "0a1b2c3d-1111-2222-3333-0123456789ab"},
        {"/proc/self/cgroup", "0::/machine.slice/libpod-" ID ".scope/container\n", "podman", ID,
         NULL},
        {"/proc/self/cgroup", "0::/crio-" ID ".scope\n", "cri-o", ID, NULL},
        {"/proc/self/mountinfo",
         "1 2 8:1 /var/lib/docker/containers/" ID
         "/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n",
         "docker", ID, NULL},
        {"/proc/self/mountinfo",
         "1 2 8:1 /var/lib/kubelet/pods/0a1b2c3d-1111-2222-3333-0123456789ab/etc-hosts /etc/hosts "
         "rw - ext4 /dev/sda1 rw\n",
         NULL, NULL, "0a1b2c3d-1111-2222-3333-0123456789ab"},
        {"/proc/self/cgroup", "0::/user.slice/user-1000.slice/session-1.scope\n", NULL, NULL, NULL},
        {"/proc/self/mountinfo", "1 2 8:1 /docker/" ID " /data rw - ext4 /dev/sda1 rw\n", NULL,
         NULL, NULL},
        {"/.dockerenv", "", "docker", NULL, NULL},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct fixture *f = *state;
        put(f, cases[i].file, cases[i].text);
        assert_int_equal(ol__collect_container(&f->c), OL_OK);
        assert_int_equal(f->c.found, cases[i].runtime != NULL ? OL_COLLECT_CONTAINER : 0);
        same(f->c.container.runtime, cases[i].runtime);
        same(f->c.container.id, cases[i].id);
        same(f->c.container.pod_uid, cases[i].pod);
        tear_down(state);
        set_up(state);
    }
}

static void podman_and_pod(void **state)
{
    struct fixture *f = *state;
    put(f, "/run/.containerenv",
        "engine=\"podman-4.3.1\"\nname=\"clean\"\nid=\"" ID "\"\nimage=\"example.org/shop:1\"\n"
        "imageid=\"" SHA "\"\nrootless=1\n");
    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    setenv("POD_NAME", "clean-7f", 1);
    setenv("POD_NAMESPACE", "shop", 1);
    setenv("NODE_NAME", "n1", 1);
    setenv("IMAGE_DIGEST", "sha256:" ID, 1);
    assert_int_equal(ol__collect_container(&f->c), OL_OK);
    same(f->c.container.runtime, "podman");
    same(f->c.container.name, "clean");
    same(f->c.container.id, ID);
    same(f->c.container.image, "example.org/shop:1");
    same(f->c.container.image_id, SHA);
    same(f->c.container.pod_name, "clean-7f");
    same(f->c.container.pod_namespace, "shop");
    same(f->c.container.node, "n1");
    same(f->c.container.image_digest, "sha256:" ID);
}

/* ---- machine ---- */

static void machines(void **state)
{
    struct fixture *f = *state;
    put(f, "/etc/os-release", "NAME=x\nPRETTY_NAME=\"Test OS 7\"\n");
    put(f, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU @ 3GHz\n");
    put(f, "/proc/self/cgroup", "0::/a/b\n");
    put(f, "/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    put(f, "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put(f, "/sys/fs/cgroup/a/b/memory.max", "1048576\n");
    put(f, "/sys/fs/cgroup/memory.max", "max\n");
    put(f, "/sys/class/drm/card0/device/vendor", "0x1002\n");
    put(f, "/sys/class/drm/card0/device/device", "0x740f\n");
    put(f, "/sys/class/drm/card0/device/uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n");
    put(f, "/sys/class/drm/card0/device/mem_info_vram_total", "68702699520\n");
    put(f, "/sys/class/drm/card0-DP-1/device/vendor", "0x1002\n");
    put(f, "/sys/class/drm/card1/device/vendor", "0x10de\n");
    put(f, "/sys/class/drm/card1/device/device", "0x2330\n");
    put(f, "/sys/class/drm/card1/device/uevent", "PCI_SLOT_NAME=0000:41:00.0\n");
    put(f, "/proc/driver/nvidia/gpus/0000:41:00.0/information",
        "Model: \t\t NVIDIA H100\nIRQ:   12\nGPU UUID: \t GPU-0a\nBus Location: 0000:41:00.0\n");
    put(f, "/sys/module/nvidia/version", "550.54.15\n");
    assert_int_equal(ol__collect_machine(&f->c), OL_OK);
    const struct ol_machine *m = &f->c.machine;
    same(m->os, "Test OS 7");
    same(m->cpu_model, "Test CPU @ 3GHz");
    assert_true(m->cpu_count.is_set && m->cpu_count.value > 0);
    assert_true(m->cpu_limit.is_set && m->cpu_limit.value == 0.5); /* the group's above */
    assert_true(m->memory_limit_bytes.is_set && m->memory_limit_bytes.value == 1048576);
    assert_int_equal(m->gpu_count, 2); /* a connector is none, two tell of the second */
    same(m->gpus[0].vendor, "AMD");
    same(m->gpus[0].device, "1002:740f");
    same(m->gpus[0].address, "0000:03:00.0");
    assert_true(m->gpus[0].memory_bytes.value == 68702699520);
    same(m->gpus[1].name, "NVIDIA H100");
    same(m->gpus[1].uuid, "GPU-0a");
    same(m->gpus[1].driver_version, "550.54.15");
}

static void old_groups(void **state)
{
    struct fixture *f = *state;
    put(f, "/proc/self/cgroup", "4:memory:/m\n3:cpu,cpuacct:/c\n2:cpuset:/\n");
    put(f, "/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "25000\n");
    put(f, "/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
    put(f, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(f, "/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "2097152\n");
    put(f, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(ol__collect_machine(&f->c), OL_OK);
    assert_true(f->c.machine.cpu_limit.value == 0.25);
    assert_true(f->c.machine.memory_limit_bytes.value == 2097152);
}

/* ---- other tools, seeds ---- */

static void tools_and_seeds(void **state)
{
    struct fixture *f = *state;
    static const char *const variables[][2] = {
        {"MLFLOW_RUN_ID", "0a1b"},
        {"MLFLOW_EXPERIMENT_ID", "7"},
        {"MLFLOW_EXPERIMENT_NAME", "ranker"},
        {"MLFLOW_TRACKING_URI", "https://ann:pw@mlflow.example.org/"},
        {"FEAST_FS_YAML_FILE_PATH", "/repo/feature_store.yaml"},
        {"LAKEFS_REPOSITORY", "lake"},
        {"LAKEFS_BRANCH", "main"},
        {"LAKECTL_SERVER_ENDPOINT_URL", "https://lakefs.example.org/api/v1"},
        {"LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", "hush"},
        {"DVC_EXP_NAME", "hushed-mole"},
        {"DVC_EXP_BASELINE_REV", SHA},
        {"PYTHONHASHSEED", "0"},
        {"CUBLAS_WORKSPACE_CONFIG", ":4096:8"},
        {"CUDA_VERSION", "12.4.1"}};
    struct ol__buf out;
    for (size_t i = 0; i < OL_COUNT(variables); i++)
        setenv(variables[i][0], variables[i][1], 1);
    assert_int_equal(ol__collect(&f->c, OL_COLLECT_TOOLS | OL_COLLECT_SEEDS, NULL), OL_OK);
    assert_int_equal(f->c.found, OL_COLLECT_TOOLS | OL_COLLECT_SEEDS);
    ol__buf_init(&out, 1 << 16);
    assert_int_equal(ol__collected_write(&f->c, OL_COLLECT_TOOLS, &out), OL_OK);
    assert_string_equal(
        out.data,
        "{\"tools\":[{\"tool\":\"mlflow\",\"project\":\"ranker\",\"run\":\"0a1b\",\"url\":"
        "\"https://mlflow.example.org/\"},{\"tool\":\"feast\",\"ref\":\"/repo/"
        "feature_store.yaml\"},{\"tool\":\"lakefs\",\"project\":\"lake\",\"ref\":\"main\",\"url\":"
        "\"https://lakefs.example.org/api/v1\"},{\"tool\":\"dvc\",\"run\":\"hushed-mole\","
        "\"version\":\"" SHA "\"}]}");
    ol__buf_reset(&out);
    assert_int_equal(ol__collected_write(&f->c, OL_COLLECT_SEEDS, &out), OL_OK);
    assert_string_equal(out.data,
                        "{\"seeds\":{\"PYTHONHASHSEED\":\"0\"},\"determinism\":{\"CUBLAS_WORKSPACE_"
                        "CONFIG\":\":4096:8\"},\"versions\":{\"cuda\":\"12.4.1\"}}");
    ol__buf_reset(&out);
    assert_int_equal(ol__collected_write(&f->c, OL_COLLECT_CODE, &out), OL_OK);
    assert_int_equal(out.size, 0);
    ol__buf_release(&out);
}

static void variables_that_are_no_text(void **state)
{
    struct fixture *f = *state;
    static char longer[OL_COLLECT_VALUE_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    setenv("MLFLOW_RUN_ID", "a\nb", 1);
    setenv("MLFLOW_RUN_NAME", longer, 1);
    setenv("DVC_STAGE", "\xff", 1);
    setenv("PYTHONHASHSEED", "", 1);
    assert_int_equal(ol__collect(&f->c, OL_COLLECT_ALL, NULL), OL_OK);
    assert_int_equal(f->c.found & (OL_COLLECT_TOOLS | OL_COLLECT_SEEDS), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(git_configuration),
                                       TEST(git_configuration_of_any_size),
                                       TEST(packed_refs),
                                       TEST(git_by_its_files),
                                       TEST(git_of_a_worktree),
                                       TEST(git_that_is_none),
                                       TEST(git_with_endless_refs),
                                       TEST(addresses),
                                       TEST(containers),
                                       TEST(podman_and_pod),
                                       TEST(machines),
                                       TEST(old_groups),
                                       TEST(tools_and_seeds),
                                       TEST(variables_that_are_no_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
