import click
import pytest

from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.sweeps import job_commands, jobs
from hq_ray.sweeps.jobs import JobReport

URL = "http://head:8265"


class FakeServer:
    """Keeps what it is asked."""

    def __init__(self):
        self.jobs, self.status, self.stopping = [], "RUNNING", True

    def submit(self, job, submission_id=None):
        self.jobs.append(job)
        return submission_id or "hq-tiny-000000"

    def report(self, submission_id):
        return JobReport(self.status, "Job is currently running.", "s3://b/tiny")

    def logs(self, submission_id):
        return "one\ntwo [1/2]\n\n"

    def follow(self, submission_id, write):
        write("o")
        write("ne\n")

    def stop(self, submission_id):
        return self.stopping


@pytest.fixture
def server(monkeypatch):
    fake = FakeServer()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)

    def connect(address):
        fake.address = address
        return fake

    monkeypatch.setattr(jobs, "connect", connect)
    return fake


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "a spec.yaml"
    path.write_text("name: tiny\nenv: FrozenLake-v1\n", encoding="utf-8")
    return str(path)


@click.group()
def commands():
    pass


for command in job_commands.COMMANDS.values():
    commands.add_command(command)


def run(*arguments):
    return run_command_line([str(a) for a in arguments], commands)


def test_names():
    assert {name: command.name for name, command in job_commands.COMMANDS.items()} == {
        "submit": "submit",
        "job": "job",
    }


def test_submit_says_the_id_and_what_to_ask_next(server, spec, capsys):
    flags = ("--set", "seeds=0-3", "--retry-failed", "--trials_per_task", "5")
    assert run("submit", spec, "--address", URL, "--results", "s3://b/", *flags) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Submitted: hq-tiny-000000",
        f"  hq-ray job status hq-tiny-000000 --address {URL}",
        f"  hq-ray job logs hq-tiny-000000 --address {URL}",
        f"  hq-ray job stop hq-tiny-000000 --address {URL}",
        "  hq-ray status s3://b/tiny",
    ]
    [job] = server.jobs
    assert (job.spec, job.overrides) == ("name: tiny\nenv: FrozenLake-v1\n", ("seeds=0-3",))
    assert job.flags == ("--retry_failed", "--trials_per_task", "5")


@pytest.mark.parametrize("name", ["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"])
def test_the_address_may_be_a_variable(server, spec, monkeypatch, name, capsys):
    monkeypatch.setenv(name, URL)
    assert run("submit", spec, "--results", "s3://b", "--submission_id", "mine") == 0
    assert server.address == URL
    assert f"hq-ray job stop mine --address {URL}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--results", "s3://b"), "address must be given: --address http://HEAD:8265"),
        (("--results", "results", "--address", URL), "give --shared_disk if every node"),
        (("--results", "r", "--shared_disk", "--address", URL), "must be an absolute path"),
        (("--address", URL), "Missing option '--results'"),
        (("--results", "s3://b", "--address", URL, "--set", "alpha=7"), "alpha"),
        (("--results", "s3://b", "--address", URL, "--trials_per_task", "x"), "trials_per_task"),
    ],
)
def test_what_cannot_be_submitted_is_refused(server, spec, arguments, sentence, capsys):
    assert run("submit", spec, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert server.jobs == []


def test_a_spec_that_is_not_there_or_is_none_is_named(server, tmp_path, capsys):
    flags = ("--address", URL, "--results", "s3://b")
    assert run("submit", tmp_path / "no.yaml", *flags) == 2
    (tmp_path / "bad.yaml").write_text("name: x\n")
    assert run("submit", tmp_path / "bad.yaml", *flags) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "must be a readable file" in first
    assert "bad.yaml: env" in second


@pytest.mark.parametrize(("status", "code"), [("RUNNING", 0), ("SUCCEEDED", 0), ("FAILED", 1)])
def test_status_has_the_last_line_and_the_results(server, status, code, capsys):
    server.status = status
    assert run("job", "status", "mine", "--address", URL) == code
    assert capsys.readouterr().out.splitlines() == [
        f"mine: {status}",
        "Job is currently running.",
        "Last line: two [1/2]",
        "Results: s3://b/tiny",
    ]


@pytest.mark.parametrize(
    ("flags", "printed"), [((), "one\ntwo [1/2]\n\n"), (("--follow",), "one\n")]
)
def test_logs(server, flags, printed, capsys):
    assert run("job", "logs", "mine", "--address", URL, *flags) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("stopping", "sentence"), [(True, "submit the same spec again"), (False, "had ended already")]
)
def test_stop(server, stopping, sentence, capsys):
    server.stopping = stopping
    assert run("job", "stop", "mine", "--address", URL) == 0
    assert sentence in capsys.readouterr().out


def test_what_the_server_refuses_is_one_sentence(server, monkeypatch, capsys):
    def refuse(submission_id):
        raise InputError("job must be one of http://head:8265, got 'x'")

    monkeypatch.setattr(server, "logs", refuse)
    assert run("job", "logs", "x", "--address", URL) == 2
    assert capsys.readouterr().err == "Error: job must be one of http://head:8265, got 'x'\n"
