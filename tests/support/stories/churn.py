# SPDX-License-Identifier: Apache-2.0
"""The world of the training story. Who leaves us? The records of customers are exported to raw.csv, which is cleaned; a model
is fitted (the first try stumbles over a typing error), measured, approved, deployed, and answers. Then the data are prepared in
another way, and a second model goes on from the weights of the first.

    customers.jsonl -> raw.csv -> clean-v1.csv -> model-v1.json -> measure-v1.json, answers req-0 to req-2
                               \\                               \\
                                -> clean-v2.csv  ----------------> model-v2.json -> measure-v2.json, answers req-3 to req-5

Beside it somebody sorts the weather, which has nothing to do with all this, and draws a chart of a list that came by mail."""
import hashlib
import json

import procs

from stories.place import Place

EXPORT = r"""
import json, sys
with open(sys.argv[2], "w") as out:
    print("months,calls,left", file=out)
    for line in open(sys.argv[1]):
        print(json.loads(line)["row"], file=out)
"""

CLEAN = r"""
import sys
scale = float(sys.argv[3])
with open(sys.argv[1]) as source, open(sys.argv[2], "w") as out:
    for line in source.readlines()[1:]:
        fields = line.strip().split(",")
        if len(fields) == 3 and all(field.isdigit() for field in fields):
            out.write("%.6f,%.6f,%s\n" % (int(fields[0]) / scale, int(fields[1]) / scale, fields[2]))
"""

# Logistic regression by gradient descent, one row at a time in an order that the seed decides.
TRAIN = r"""
import json, math, os, random, sys
data, model, epochs, before = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
seed = os.environ.get("PYTHONHASHSEED")
order = random.Random(int(seed) if seed and seed.isdigit() else None)
rows = [[float(field) for field in line.split(",")] for line in open(data)]
weights = json.load(open(before[0]))["weights"] if before else [0.0, 0.0, 0.0]
for _ in range(epochs):
    order.shuffle(rows)
    for months, calls, left in rows:
        guess = 1 / (1 + math.exp(-(weights[0] + weights[1] * months + weights[2] * calls)))
        for place, value in enumerate((1.0, months, calls)):
            weights[place] += 0.05 * (left - guess) * value
json.dump({"weights": [round(weight, 12) for weight in weights]}, open(model, "w"), sort_keys=True)
"""

MEASURE = r"""
import json, sys
weights = json.load(open(sys.argv[1]))["weights"]
rows = [[float(field) for field in line.split(",")] for line in open(sys.argv[2])]
right = sum((weights[0] + weights[1] * m + weights[2] * c > 0) == (left > 0.5) for m, c, left in rows)
json.dump({"accuracy": round(right / len(rows), 4), "model": sys.argv[1]}, open(sys.argv[3], "w"))
"""

SERVICES = {"v1": "01941f29-7c00-7837-a31d-0000000000a1", "v2": "01941f29-7c00-7837-a31d-0000000000a2"}


def customers():
    """Months, calls, and whether they left; two rows are broken, as real ones are."""
    rows = ["%d,%d,%d" % (n % 24 + 1, n * 7 % 11, int(n * 7 % 11 > n % 24 // 3)) for n in range(200)] + ["12,,1", "7,x,0"]
    return "".join(json.dumps({"id": "customer-%d" % n, "sha256": hashlib.sha256(row.encode()).hexdigest(), "row": row}) + "\n"
                   for n, row in enumerate(rows))


class Churn(Place):
    """play() tells the whole story; parts of it can be told alone."""

    def __init__(self, runner, directory, **store):
        super().__init__(runner, directory, "lab", {
            "customers.jsonl": customers(), "export.py": EXPORT, "clean.py": CLEAN, "train.py": TRAIN, "measure.py": MEASURE,
            ".gitignore": "*.csv\n*.json\n*.jsonl\n*.png\n"}, store)
        self.git("init", "-q", "-b", "main")
        self.commit("first")
        self.made("manifest:customers.jsonl")

    def play(self):
        self.records()
        self.model("v1", epochs=5, scale=1, seed=7, stumbles=True)
        self.release("v1")
        self.settle()
        self.after_v1 = self("date", "-u", "+%FT%T.%3NZ").stdout.strip()
        (self.files / "clean.py").write_text(CLEAN.replace("%.6f,%.6f", "%.3f,%.3f"))
        self.commit("coarser")
        self.model("v2", epochs=8, scale=10, seed=7, before="v1")
        self.release("v2")
        self.beside()
        self.settle()
        return self

    def step(self, step, number, inputs, outputs, command, *more, env=None, check=0):
        ends = [word for name in inputs for word in ("-i", name)] + [word for name in outputs for word in ("-o", name)]
        self("lineage", "run", "-q", "--step", step, "--seq", number, "--collect", "code,git,machine,tools,seeds", *ends, *more,
             "--", "python3", *command, env=env, check=check)

    def facet(self, dataset, key, value):
        return "--facet", "dataset:%s:%s=%s" % (dataset, key, json.dumps(value))

    def records(self):
        """The records become a table; what it holds is personal."""
        self.begin("records", "--pipeline", "records", "--input", "customers=customers.jsonl")
        self.step("export", 10, ["manifest:customers.jsonl"], ["raw.csv"], ["export.py", "customers.jsonl", "raw.csv"],
                  *self.facet("raw.csv", "tags", {"tags": [{"key": "class", "value": "personal"}]}))
        self.end()
        self.made("raw.csv")

    def columns(self, clean):
        """What the preparation tells of columns: both figures are scaled, and rows go whose figures are broken."""
        def of(field, kind, subtype):
            return {"namespace": "file", "name": str(self.files / "raw.csv"), "field": field,
                    "transformations": [{"type": kind, "subtype": subtype}]}
        return self.facet(clean, "columnLineage", {"fields": {
            "months": {"inputFields": [of("months", "DIRECT", "TRANSFORMATION"), of("calls", "INDIRECT", "FILTER")]},
            "calls": {"inputFields": [of("calls", "DIRECT", "TRANSFORMATION"), of("months", "INDIRECT", "FILTER")]},
            "left": {"inputFields": [of("left", "DIRECT", "IDENTITY")]}}})

    def model(self, name, epochs, scale, seed, before=None, stumbles=False):
        """One run: cleaned data, a model, its measure."""
        clean, model, measure = "clean-%s.csv" % name, "model-%s.json" % name, "measure-%s.json" % name
        older = ["model-%s.json" % before] if before else []
        seeds = {"PYTHONHASHSEED": str(seed)} if seed is not None else {}
        self.begin(name, "--pipeline", "churn")
        group = ("--group", "model=" + name)
        self.step("clean", 10, ["raw.csv"], [clean], ["clean.py", "raw.csv", clean, scale], "--param", "scale=%s" % scale,
                  "--rows", "raw.csv=202", "--rows", clean + "=200", *self.columns(clean), *group)
        if stumbles:
            self.step("train", 20, [clean], [model], ["train.py", clean, model, "five"], "--param", "epochs=five", *group,
                      env=seeds, check=1)
        self.step("train", 20, [clean, *older], [model], ["train.py", clean, model, epochs, *older],
                  "--param", "epochs=%d" % epochs, *group, env=seeds)
        self.step("measure", 30, [model, clean], [measure], ["measure.py", model, clean, measure], *group)
        self.end()
        for made in (clean, model, measure):
            self.made(made)

    def release(self, name):
        """Looked at, approved, put where it serves; then it answers three requests."""
        model = "model-%s.json" % name
        self.decision("approve " + name, "approve", model, "--by", "ada", "--role", "owner", "--reason", "better than before",
                      "--framework", "EU AI Act", "--evidence", "measure-%s.json" % name)
        self.decision("deploy " + name, "deploy", model, "--endpoint", "churn", "--environment", "production",
                      "--engine", "python 3", "--model-version", "churn@" + name, "--id", "deployment-" + name)
        self.ids[SERVICES[name]] = "serve " + name
        self(procs.built("serve_many"), "--directory", self.agent.journal, "--run-id", SERVICES[name], "--answers", 3,
             "--first", {"v1": 0, "v2": 3}[name], "--threads", 1, "--model-version", "churn@" + name,
             "--input", self.files / model, "--version", "sha256:" + self.sha(model))
        self.settle()

    def beside(self):
        (self.files / "weather.csv").write_text("3,rain\n1,sun\n")
        self.begin("weather", "--pipeline", "weather", "--input", "weather=weather.csv")
        self.step("sort", 10, ["weather.csv"], ["sorted.csv"], ["-c", "print(*sorted(open('weather.csv')), sep='', end='', "
                                                                    "file=open('sorted.csv', 'w'))"])
        self.end()
        (self.files / "mailed.csv").write_text("1,2\n")
        self.begin("chart", "--pipeline", "chart")
        self.step("draw", 10, ["mailed.csv"], ["chart.png"], ["-c", "open('chart.png', 'w').write('#')"])
        self.end()
        for made in ("weather.csv", "sorted.csv", "mailed.csv", "chart.png"):
            self.made(made)

    def sha(self, file):
        return hashlib.sha256((self.files / file).read_bytes()).hexdigest()
