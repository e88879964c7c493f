"""The sweep: plan, driver, Ray, progress."""

import os

# Ray reads these when it is imported, and everything of ours that imports Ray lies in this
# package: no telemetry, no autoscaler lines, no rebuilding of a uv environment for each worker.
for _name, _value in (
    ("RAY_USAGE_STATS_ENABLED", "0"),
    ("RAY_SCHEDULER_EVENTS", "0"),
    ("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0"),
):
    os.environ.setdefault(_name, _value)
