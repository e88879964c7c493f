from hq_ray.versions import deciding_versions, differing, versions


def test_the_same_code_does_not_differ():
    assert differing(deciding_versions()) == []


def test_what_differs_is_named():
    planned = [(n, "0.0" if n == "numpy" else v) for n, v in deciding_versions()]
    (sentence,) = differing(tuple(planned))
    assert sentence.startswith("numpy is ")
    assert sentence.endswith(" instead of 0.0")


def test_all_that_matters_is_written_down():
    assert {"hq_ray", "git_commit", "gymnasium", "numpy", "numba", "ray", "python"} <= set(
        versions()
    )
