"""Adds what is not pinned yet to trials.json and expansions.json; what is there stays as it is."""

import json

from test_golden import HERE, lines, log_of, plan_of, spec_texts

COSTLY = {"reward_schedule": [10, -5, -0.1]}
BRIDGE = {"desc": ["FFFFF", "FFHFF", "SFFFG"], "success_rate": 0.9, "reward_schedule": [0, -9, -1]}
# Odd numbers of arguments and of values, so that they meet all variants and kinds of schedule.
ENVIRONMENTS = {
    "CliffWalking-v1": ({}, {"is_slippery": True}, {"is_slippery": False}),
    "CliffWalkingSlippery-v1": ({},),
    "FrozenLake-v1": (
        {},
        {"map_name": "8x8", "is_slippery": False, **COSTLY},
        {"is_slippery": False},
        {"success_rate": 0.8},
        COSTLY,
        BRIDGE,
        {"desc": ["SFS", "FHF", "FFG"], "is_slippery": True},
    ),
    "FrozenLake8x8-v1": ({}, {"is_slippery": False, **COSTLY}, {"success_rate": 0.9, **COSTLY}),
    "Taxi-v4": ({}, {"is_rainy": True}, {"is_rainy": True, "rainy_probability": 0.5}),
    "VelocityGrid-v0": (
        {},
        {"max_speed": 2},
        {"slip_prob": 0},
        {"slip_prob": 0.3},
        {"width": 5, "height": 3},
        {"width": 4, "height": 6, "max_speed": 2, "slip_prob": 0.1, "goal_reward": 1},
        {"step_reward": -0.1, "goal_reward": 0.5, "cliff_penalty": -1e3, "width": 3, "height": 3},
    ),
}
PER_ENVIRONMENT = 34
VARIANTS = ("standard", "harmonic", "minimum", "asymmetric")
KINDS = ("linear", "exponential", "inverse", "constant")
SEEDS = (0, 1, 2, 7, 42, 1000, 2**31 - 1, 2**32, 2**53 + 1, 10**18 + 9, 2**62 - 1)
EPISODES = (60, 10, 40, 25, 50)
MAX_STEPS = (200, 100, 1, 200, 50, 150, 13)
NUMBERS = {
    "gamma": (0.99, 0.9, 0.5, 0.999, 0.0),
    "alpha": (0.2, 0.5, 1.0, 0.05, 0.1, 0.8, 1e-3),
    "alpha_end": (0.05, 0.6, 0.01),
    "alpha_decay_episodes": (20, 1, 3500),
    "alpha_down": (0.5, 0.1, 1.0),
    "eps_start": (1.0, 0.3, 0.1),
    "eps_end": (0.05, 0.2, 0.01, 0.0, 1.0),
    "eps_decay_episodes": (20, 3500, 1, 7, 40),
    "eps_shift": (1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3, 1e6, 1e10, 1e15),
}
UNREAD = {
    "standard": {"alpha_down", "eps_shift"},
    "harmonic": {"alpha_down"},
    "minimum": {"alpha", "alpha_schedule", "alpha_end", "alpha_decay_episodes"}
    | {"alpha_down", "eps_shift"},
    "asymmetric": {"alpha_end", "alpha_decay_episodes", "eps_shift"},
}


def hyperparameters(k, variant):
    """Number k of a rotation of variants, schedules and numbers, each with its own stride."""
    if k % 10 == 9:
        return {}
    chosen = {name: of[(k // (i + 1)) % len(of)] for i, (name, of) in enumerate(NUMBERS.items())}
    for name, kind in (("eps", KINDS[k // 4 % 4]), ("alpha", KINDS[(k + k // 4 + k // 16) % 4])):
        if variant == "asymmetric" and name == "alpha":
            kind = "constant"
        chosen[f"{name}_schedule"] = kind
        if kind == "constant":
            del chosen[f"{name}_end"], chosen[f"{name}_decay_episodes"]
        elif kind == "exponential":
            chosen[f"{name}_end"] = chosen[f"{name}_end"] or 0.02
    return {name: chosen[name] for name in sorted(chosen.keys() - UNREAD[variant])}


def trials():
    """Definitions of trials; the same ones every time."""
    for e, (env, arguments) in enumerate(ENVIRONMENTS.items()):
        for j in range(PER_ENVIRONMENT):
            k = e * PER_ENVIRONMENT + j
            variant = VARIANTS[k % 4]
            yield {
                "env": env,
                "env_args": arguments[j % len(arguments)],
                "variant": variant,
                "seed": SEEDS[k % len(SEEDS)],
                "episodes": EPISODES[k // 2 % len(EPISODES)],
                "max_steps": MAX_STEPS[k // 3 % len(MAX_STEPS)],
                "given": hyperparameters(k, variant),
            }


def add(name, definitions, pin):
    """Pins definitions that no line has yet, after the lines that there are."""
    pinned = lines(name)
    for line in definitions:
        if not any(line.items() <= old.items() for old in pinned):
            pinned.append(line | pin(line))
    text = ",\n".join(json.dumps(line, separators=(",", ":")) for line in pinned)
    (HERE / name).write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    texts = spec_texts()
    add("trials.json", trials(), lambda line: log_of(line, "kernel"))
    specs = ({"spec": name} for name in texts)
    add("expansions.json", specs, lambda line: plan_of(texts[line["spec"]]))
