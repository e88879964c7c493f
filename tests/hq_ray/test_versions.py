from hq_ray.versions import deciding_versions, differing, versions


def test_what_differs_is_named():
    assert differing(deciding_versions()) == []
    planned = [(n, "0.0" if n == "numpy" else v) for n, v in deciding_versions()]
    assert differing(tuple(planned)) == [f"numpy is {versions()['numpy']} instead of 0.0"]


def test_all_that_matters_is_written_down():
    assert {"hq_ray", "git_commit", "gymnasium", "numba", "ray", "python"} <= versions().keys()
