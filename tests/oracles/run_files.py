"""Paths that `hq-ray run` writes, as documented."""

BOTH = ("standard", "harmonic")


def logs(seeds, variants=BOTH):
    names = ("returns", "steps")
    return {f"logs/{v}/s{s}/{v}_{n}.csv" for v in variants for s in seeds for n in names}


def curves(seeds, variants=BOTH):
    stems = ("learning_curve", "steps_curve")
    return {f"plots/{v}/{stem}_s{s}.png" for v in variants for s in seeds for stem in stems}


def comparisons(tag):
    return {f"plots/compare/{tag}_mean_se_{name}.png" for name in ("returns", "steps")}


def videos(seeds, variants=BOTH):
    return {f"videos/{v}/greedy_s{s}.mp4" for v in variants for s in seeds}
