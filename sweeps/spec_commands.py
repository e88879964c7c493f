"""The commands about specs: init and schema."""

import json

import click

from hq_ray.cli import SETTINGS, say
from hq_ray.errors import InputError

TEMPLATE = """\
# `hq-ray plan sweep.yaml` counts the trials of this sweep, `hq-ray sweep sweep.yaml` runs them.
# `hq-ray schema` prints a JSON schema, by which editors complete and check this file.
name: my-sweep                # the results lie in results/my-sweep
env:                          # one or more: an id, or an id with arguments of its own
  - CliffWalking-v1
  - {id: VelocityGrid-v0, max_speed: 2}
variant: [standard, harmonic]
seeds: 0-9
episodes: 4000
# max_steps: 200              # of an episode; by default the environment's own limit
method: grid                  # or random or sobol, with `samples: 64`
parameters:                   # every combination is run
  alpha: [0.05, 0.1, 0.2, 0.4]
  eps_shift: [1e-6, 1.0, 100.0]
  # For random and sobol also: eps_shift: {distribution: log_uniform, min: 1e-6, max: 1e3}
# constraints: [eps_end <= eps_start]
"""


@click.command(name="init", context_settings=SETTINGS)
@click.argument("file", default="sweep.yaml")
def init_command(file: str) -> None:
    """Write a commented spec to FILE [default: sweep.yaml]."""
    try:
        with open(file, "x", encoding="utf-8") as spec:
            spec.write(TEMPLATE)
    except FileExistsError:
        raise InputError(f"init must write a new file, but {file!r} is there") from None
    say(f"Wrote {file}. What it would run: hq-ray plan {file}")


@click.command(name="schema", context_settings=SETTINGS)
def schema_command() -> None:
    """Print the JSON schema of a spec, for editors."""
    from hq_ray.sweeps.spec import Sweep

    print(json.dumps(Sweep.model_json_schema(), indent=2))


COMMANDS = {"init": init_command, "schema": schema_command}
