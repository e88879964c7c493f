"""Pins what is new: trials that were put into trials.json without an id, specs without a line.

What is pinned stays as it is.
"""

import json

from test_golden import HERE, lines, log_of, plan_of, spec_texts


def write(name, pinned):
    text = ",\n".join(json.dumps(line, separators=(",", ":")) for line in pinned)
    (HERE / name).write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    trials, plans, texts = lines("trials.json"), lines("expansions.json"), spec_texts()
    write("trials.json", [t if "log" in t else t | log_of(t, "kernel") for t in trials])
    new = [name for name in texts if all(name != plan["spec"] for plan in plans)]
    write("expansions.json", plans + [{"spec": name} | plan_of(texts[name]) for name in new])
