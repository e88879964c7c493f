"""URIs of object stores: they hold no credentials, and the environment or a file has some.

Without credentials obstore asks an address that only a cloud's own machines have, for minutes. So
they are looked for here first.
"""

import os
import re
import urllib.request
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from hq_ray.errors import InputError

# By scheme, the variables that hold credentials, and what else a person may do.
AWS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)"
GOOGLE = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "run `gcloud auth application-default login`, or set "
    "GCE_METADATA_ROOT=metadata.google.internal on a machine whose service account has them",
)
AZURE = (
    "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
    "set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_USE_AZURE_CLI=true",
)
HELP = {
    "s3": (
        AWS,
        "have a profile in ~/.aws, or set AWS_WEB_IDENTITY_TOKEN_FILE, or "
        "AWS_EC2_METADATA_DISABLED=false on a machine whose instance profile has them",
    ),
    **dict.fromkeys(("gs", "gcs"), GOOGLE),
    **dict.fromkeys(("abfs", "abfss"), AZURE),
}
SLASH_TOO_FEW = re.compile(rf"({'|'.join(HELP)}):", re.IGNORECASE)
# Variables of which one group, or the file, says where credentials are.
AWS_VARIABLES = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE",),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
)
GOOGLE_VARIABLES = (("GOOGLE_APPLICATION_CREDENTIALS",), ("GCE_METADATA_ROOT",))
# Each says in a profile of the AWS tools how to come by credentials.
PROFILE_KEYS = ("aws_access_key_id", "credential_", "role_arn", "sso_", "login_session")
ANSWER_SECONDS = 5
OPTIONS: dict[str, Any] = {
    "client_options": {"allow_http": True, "timeout": "30s", "connect_timeout": "5s"},
    "retry_config": {
        "max_retries": 3,
        # No try begins later than this after the first.
        "retry_timeout": timedelta(seconds=10),
        "backoff": {"init_backoff": timedelta(milliseconds=100)},
    },
}


def check_uri(text: str) -> None:
    """Checks that a URI holds no credentials.

    Raises:
        InputError: it does, or may; the message does not repeat them.
    """
    scheme, mark, rest = text.partition("://")
    scheme = scheme.strip().lower()
    if not mark:
        if slip := SLASH_TOO_FEW.match(text):
            raise InputError(f"a URI must begin like {slip[0]}//, got one that has less")
        return
    # A secret may hold a slash, and its part before that is where the host should be.
    user, at, host = unquote(rest.partition("/")[0]).rpartition("@")
    is_container = scheme in ("abfs", "abfss") and re.fullmatch(r"[^:]+", user)
    if (at and not is_container) or ":" in host or "?" in rest:
        shown = f"this {scheme}:// URI" if scheme in HELP else "this one"
        variables = HELP.get(scheme, ("the variables that its library reads",))[0]
        raise InputError(
            f"a URI must hold no credentials and no settings, but {shown} does; set {variables} "
            "in the environment instead"
        )


def open_store(text: str) -> ObjectStore:
    """The bucket or container that a checked URI names.

    Raises:
        InputError: it is no URI of a store, or there are no credentials anywhere.
    """
    parts = urlsplit(text)
    if parts.scheme not in HELP:
        raise InputError(
            f"results must be a path or a URI, got {text!r}, which does not begin with s3://, "
            "gs:// or abfs://"
        )
    if not _has_credentials(parts.scheme):
        variables, otherwise = HELP[parts.scheme]
        raise InputError(
            f"results on {parts.scheme}:// need credentials, but there are none; set {variables}, "
            f"or {otherwise}"
        )
    try:
        settings = _s3_settings(parts.netloc) if parts.scheme == "s3" else {}
        return from_url(
            f"{parts.scheme.replace('gcs', 'gs')}://{parts.netloc}", **OPTIONS, **settings
        )
    except BaseError as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise InputError(f"results must be a path or a URI, got {text!r}: {reason}") from None


def _s3_settings(bucket: str) -> dict[str, Any]:
    """What obstore does not read from the environment by itself."""
    settings: dict[str, Any] = {}
    if not _is_set(AWS_VARIABLES) and _has_aws_profile():
        try:
            from obstore.auth.boto3 import Boto3CredentialProvider
        except ImportError:
            raise InputError(
                f"credentials in ~/.aws need boto3 for s3://; install it, or set {AWS}"
            ) from None
        settings["credential_provider"] = Boto3CredentialProvider()
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        settings["endpoint"] = endpoint
    elif not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
        settings["region"] = _region_of(bucket)
    return settings


@lru_cache
def _region_of(bucket: str) -> str:
    """The region of a bucket, which AWS tells anybody."""
    request = urllib.request.Request(f"https://{bucket}.s3.amazonaws.com", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            headers = answer.headers
    except HTTPError as refusal:
        headers = refusal.headers
    except OSError:
        return "us-east-1"
    return headers.get("x-amz-bucket-region", "us-east-1")


def _has_credentials(scheme: str) -> bool:
    """Whether obstore finds some without asking the machine's own address."""
    if scheme == "s3":
        on_aws = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "false"
        return on_aws or _is_set(AWS_VARIABLES) or _has_aws_profile()
    if scheme in ("gs", "gcs"):
        usual = Path.home() / ".config/gcloud/application_default_credentials.json"
        return usual.exists() or _is_set(GOOGLE_VARIABLES)
    return any(name.startswith("AZURE_") for name in os.environ)


def _is_set(groups: tuple[tuple[str, ...], ...]) -> bool:
    return any(all(os.environ.get(name) for name in names) for names in groups)


def _has_aws_profile() -> bool:
    """Whether a file of the AWS tools says where credentials are."""
    profiles = (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
    paths = [Path(os.environ.get(v) or Path.home() / ".aws" / usual) for v, usual in profiles]
    contents = [path.read_text(errors="replace") for path in paths if path.is_file()]
    return any(key in text for text in contents for key in PROFILE_KEYS)
