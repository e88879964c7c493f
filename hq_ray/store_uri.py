"""URIs of object stores: they hold no credentials, and what a store needs is there.

Without credentials the stores' libraries ask an address that only a cloud's own machines have, and
without a network they try for minutes. Both are looked for here first and told in a sentence.
"""

import os
import re
import socket
import threading
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from pyarrow import fs

from hq_ray.errors import InputError, ResultsError

AWS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)"
GOOGLE = "GOOGLE_APPLICATION_CREDENTIALS"
AZURE = "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
# The variables that hold credentials, by scheme.
VARIABLES = {"s3": AWS, "gs": GOOGLE, "gcs": GOOGLE, "abfs": AZURE, "abfss": AZURE}
OTHER_WAYS = {
    "s3": "have a profile in ~/.aws, or set AWS_WEB_IDENTITY_TOKEN_FILE, or "
    "AWS_EC2_METADATA_DISABLED=false on a machine whose instance profile has them",
}
OTHER_WAYS |= dict.fromkeys(
    ("gs", "gcs"),
    "run `gcloud auth application-default login`, or set "
    "GCE_METADATA_ROOT=metadata.google.internal on a machine whose service account has them",
)
# What may stand before an @: a container of Azure's, a user of Hadoop's.
NAMES = dict.fromkeys(("abfs", "abfss", "hdfs", "viewfs"), r"[^:]+")
NAMES |= dict.fromkeys(("gs", "gcs"), "anonymous")
SECRET = re.compile(r"key|secret|token|passw|credential(?!_kind)|signature|^sig$", re.IGNORECASE)
SLASH_TOO_FEW = re.compile(rf"({'|'.join(VARIABLES)}):", re.IGNORECASE)
# Each says in a profile of the AWS tools how to come by credentials.
PROFILE_KEYS = ("aws_access_key_id", "credential_", "role_arn", "sso_", "login_session")
ANSWER_SECONDS = 5.0


def refuse_credentials(text: str) -> None:
    """Checks that a URI holds no credentials.

    Raises:
        InputError: it does; the message does not repeat them.
    """
    scheme, mark, rest = text.partition("://")
    scheme = scheme.strip().lower()
    if not mark:
        if slip := SLASH_TOO_FEW.match(text):
            raise InputError(f"a URI must begin like {slip[0]}//, got one that has less")
        return
    place, _, query = rest.partition("?")
    # A secret may hold a slash, and its part before that stands where the host does.
    user, at, host = unquote(place.partition("/")[0]).rpartition("@")
    settings = parse_qsl(query.replace(";", "&"))
    port = r"" if scheme in ("s3", "gs", "gcs") else r"(:\d*)?"
    if (
        (at and not re.fullmatch(NAMES.get(scheme, ""), user))
        or not re.fullmatch(rf"([^:]*|\[.*\]){port}", host)
        or any(SECRET.search(name) or "@" in value for name, value in settings)
    ):
        shown = f"this {scheme}:// URI" if scheme in VARIABLES else "this one"
        variables = VARIABLES.get(scheme, "the variables that its library reads")
        raise InputError(
            f"a URI must hold no credentials, but {shown} does; set {variables} in the environment "
            "instead"
        )


def open_uri(text: str) -> tuple[fs.FileSystem, str]:
    """The filesystem that a URI names, and the path on it.

    Raises:
        InputError: it is no URI, holds credentials, or there are none anywhere.
        ResultsError: the store cannot be reached.
    """
    refuse_credentials(text)
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query))
        if parts.scheme == "s3":
            query = s3_settings(query)
        elif parts.scheme in ("gs", "gcs"):
            query.setdefault("retry_limit_seconds", "5")  # its own limit is a quarter of an hour
        if parts.hostname and parts.scheme in VARIABLES:
            if not parts.username and not _has_credentials(parts.scheme):
                raise InputError(
                    f"results on {parts.scheme}:// need credentials, but there are none; set "
                    f"{VARIABLES[parts.scheme]}, or {OTHER_WAYS[parts.scheme]}"
                )
            _check_answers(text, parts.scheme, query)
        return fs.FileSystem.from_uri(urlunsplit(parts._replace(query=urlencode(query))))
    except InputError:
        raise
    except ValueError as problem:
        raise InputError(f"results must be a path or a URI, got {text!r}: {problem}") from None
    except OSError as problem:
        raise _no_answer(text, str(problem)) from None


def s3_settings(query: dict[str, str]) -> dict[str, str]:
    """With what the usual variables say and pyarrow does not read by itself.

    Objects are put in one request (`allow_delayed_open`).
    """
    query = {"allow_delayed_open": "true"} | query
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "endpoint_override" not in query:
        scheme, _, host = endpoint.rpartition("://")
        query |= {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        query.setdefault("region", region or "us-east-1")
    return query


def _has_credentials(scheme: str) -> bool:
    """Whether the store's library finds some without asking the machine's own address."""
    if scheme not in OTHER_WAYS:
        return True
    if scheme != "s3":
        names = (GOOGLE, "CLOUD_STORAGE_EMULATOR_ENDPOINT", "GCE_METADATA_ROOT")
        usual = Path.home() / ".config/gcloud/application_default_credentials.json"
        return usual.exists() or any(map(os.environ.get, names))
    # Even with credentials the library would ask the machine's own address for its region.
    if os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true").lower() == "false":
        return True
    return has_aws_variables() or has_aws_profile()


def has_aws_variables() -> bool:
    """Whether the environment says where AWS credentials are."""
    ways = (
        ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"),
        ("WEB_IDENTITY_TOKEN_FILE",),
        ("CONTAINER_CREDENTIALS_RELATIVE_URI",),
        ("CONTAINER_CREDENTIALS_FULL_URI",),
    )
    return any(all(os.environ.get(f"AWS_{name}") for name in names) for names in ways)


def has_aws_profile() -> bool:
    """Whether a file of the AWS tools says where credentials are."""
    profiles = (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
    paths = [Path(os.environ.get(v) or Path.home() / ".aws" / usual) for v, usual in profiles]
    told = [path.read_text(errors="replace") for path in paths if path.is_file()]
    return any(key in text for text in told for key in PROFILE_KEYS)


def _check_answers(text: str, scheme: str, query: dict[str, str]) -> None:
    """Connects to the store once, for a few seconds."""
    region = query.get("region", "us-east-1")
    usual = {"s3": f"s3.{region}.amazonaws.com" + ".cn" * region.startswith("cn-")}
    usual |= dict.fromkeys(("gs", "gcs"), "storage.googleapis.com")
    elsewhere = ("CLOUD_STORAGE_EMULATOR_ENDPOINT", "https_proxy", "HTTPS_PROXY", "all_proxy")
    if scheme not in usual or (scheme != "s3" and any(map(os.environ.get, elsewhere))):
        return
    parts = urlsplit("//" + query.get("endpoint_override", usual[scheme]).rpartition("://")[2])
    address = parts.hostname, parts.port or (80 if query.get("scheme") == "http" else 443)
    problems = ["no answer"]

    def connect() -> None:
        try:
            socket.create_connection(address, ANSWER_SECONDS).close()
            problems.clear()
        except OSError as problem:
            problems.append(problem.strerror or str(problem))

    # A name that no server knows is asked for longer than a connection.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if problems:
        raise _no_answer(text, f"{address[0]}:{address[1]}: {problems[-1]}")


def _no_answer(text: str, problem: str) -> ResultsError:
    return ResultsError(f"results at {text} must be in a store that answers, but: {problem}")
