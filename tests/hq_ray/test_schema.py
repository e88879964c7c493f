import pyarrow as pa
import pytest

from hq_ray import schema
from hq_ray.hyperparameters import HYPERPARAMETERS


def test_hyperparameters_are_columns_of_trials_alone():
    assert set(HYPERPARAMETERS) <= set(schema.TRIALS.names)
    assert not {*HYPERPARAMETERS, "max_steps"} & set(schema.EPISODES.names)


@pytest.mark.parametrize("table", [schema.EPISODES, schema.TRIALS, schema.Q_VALUES])
def test_every_schema_carries_the_version_and_no_untyped_column(table):
    assert table.metadata == {schema.METADATA_KEY: str(schema.SCHEMA_VERSION).encode()}
    assert not any(pa.types.is_null(field.type) for field in table)
    assert len(set(table.names)) == len(table.names)


def test_only_what_can_be_unknown_may_be_null():
    assert {field.name for field in schema.EPISODES if field.nullable} == {"success"}
    nullable = {field.name for field in schema.TRIALS if field.nullable}
    assert set(HYPERPARAMETERS) - nullable == {"gamma", "eps_schedule", "eps_start"}
