"""What a secret looks like: the tables behind core/redact. Written from the public documentation of each issuer.

Each shape needs its `signs`: texts of which one must be there before its expression is tried, so that ordinary text
costs next to nothing; the expression is compiled on that occasion. What is replaced is its group `secret`, or all that
it matches where it has none.
"""

from __future__ import annotations

import re
from functools import cache

from llmos.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of secret that shows by its own form."""

    kind: str
    signs: tuple[str, ...]
    expression: str

    @property
    def pattern(self) -> re.Pattern[str]:
        return _compiled(self.expression)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def _shape(kind: str, signs: str, expression: str) -> Shape:
    return Shape(kind, tuple(signs.split("|")), expression)


# What may stand beside a token without being part of it. A letter before it means another word.
_L = r"(?<![A-Za-z0-9_])"
_R = r"(?![A-Za-z0-9_])"

SHAPES = (
    # The body may be cut off, and in JSON or YAML its line breaks are written as \n.
    _shape(
        "private key",
        "-----BEGIN ",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:\\[nr]|[A-Za-z0-9+/=\s:,\-.()]){0,20000}?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:\\[nr]|[A-Za-z0-9+/=\s:,])*)",
    ),
    _shape("private key", "PuTTY-User-Key-File", r"PuTTY-User-Key-File-\d[\s\S]{0,20000}?Private-MAC: ?[0-9a-f]+"),
    _shape("private key", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{50,60}"),
    _shape("anthropic", "sk-ant-", _L + r"sk-ant-[A-Za-z0-9_-]{16,}"),
    _shape(
        "openai",
        "sk-",
        _L + r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}|(?=[A-Za-z]*\d)[A-Za-z0-9]{32,})" + _R,
    ),
    _shape("openrouter", "sk-or-", _L + r"sk-or-(?:v\d-)?[A-Za-z0-9]{24,}"),
    _shape("github", "ghp_|gho_|ghu_|ghs_|ghr_", _L + r"gh[pousr]_[A-Za-z0-9]{30,}" + _R),
    _shape("github", "github_pat_", _L + r"github_pat_[A-Za-z0-9_]{22,}"),
    _shape("gitlab", "glpat-|gldt-|glrt-|glptt-|glcbt-", _L + r"gl(?:pat|dt|rt|ptt|cbt)-[A-Za-z0-9_.-]{18,}"),
    _shape("slack", "xox", _L + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _shape("slack", "xapp-", _L + r"xapp-\d-[A-Za-z0-9-]{20,}"),
    _shape("slack", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9_/+-]{20,})"),
    _shape("discord", "/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d+/(?P<secret>[A-Za-z0-9_-]{40,})"),
    _shape("aws", "AKIA|ASIA|ABIA|ACCA", _L + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}" + _R),
    _shape("google", "AIza", _L + r"AIza[A-Za-z0-9_-]{35}" + r"(?![A-Za-z0-9_-])"),
    _shape("google", "ya29.", _L + r"ya29\.[A-Za-z0-9_-]{20,}"),
    _shape("google", "GOCSPX-", _L + r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    _shape("hugging face", "hf_", _L + r"hf_[A-Za-z0-9]{30,}" + _R),
    _shape("npm", "npm_", _L + r"npm_[A-Za-z0-9]{36}" + _R),
    _shape("pypi", "pypi-", _L + r"pypi-AgE[A-Za-z0-9_-]{40,}"),
    _shape("rubygems", "rubygems_", _L + r"rubygems_[a-f0-9]{48}" + _R),
    _shape("stripe", "_live_|_test_|whsec_", _L + r"(?:(?:sk|rk)_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}"),
    _shape("square", "sq0|EAAA", _L + r"(?:sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60})"),
    _shape("sendgrid", "SG.", _L + r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _shape("twilio", "SK", _L + r"SK(?=[a-f]*\d)[0-9a-f]{32}" + _R),
    _shape("mailgun", "key-", _L + r"key-[0-9a-f]{32}" + _R),
    _shape("telegram", ":AA", r"(?<![0-9])\d{8,10}:AA[A-Za-z0-9_-]{32,34}" + r"(?![A-Za-z0-9_-])"),
    _shape("digitalocean", "_v1_", _L + r"do[opr]_v1_[a-f0-9]{64}" + _R),
    _shape("shopify", "shp", _L + r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}" + _R),
    _shape("dropbox", "sl.", _L + r"sl\.(?:u\.)?[A-Za-z0-9_-]{60,}"),
    _shape("databricks", "dapi", _L + r"dapi[0-9a-f]{32}(?:-\d)?" + _R),
    _shape("docker", "dckr_", _L + r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    _shape("linear", "lin_", _L + r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    _shape("notion", "ntn_", _L + r"ntn_[A-Za-z0-9]{40,}"),
    _shape("grafana", "glsa_|glc_", _L + r"(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,})"),
    _shape("vault", "hvs.|hvb.|hvr.", _L + r"hv[sbr]\.[A-Za-z0-9_-]{20,}"),
    _shape("terraform", ".atlasv1.", _L + r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}"),
    _shape("postman", "PMAK-", _L + r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}" + _R),
    _shape("new relic", "NRAK-|NRJS-|NRII-", _L + r"NR(?:AK|JS|II)-[A-Za-z0-9_-]{19,}"),
    _shape("heroku", "HRKU-", _L + r"HRKU-[A-Za-z0-9_-]{30,}"),
    _shape("doppler", "dp.", _L + r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,}"),
    _shape("planetscale", "pscale_", _L + r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9._=-]{32,}"),
    _shape("supabase", "sbp_", _L + r"sbp_[a-f0-9]{40}" + _R),
    _shape("figma", "figd_", _L + r"figd_[A-Za-z0-9_-]{38,}"),
    _shape("sentry", "sntrys_|sntryu_", _L + r"sntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    _shape("groq", "gsk_", _L + r"gsk_[A-Za-z0-9]{40,}"),
    _shape("xai", "xai-", _L + r"xai-[A-Za-z0-9]{60,}"),
    _shape("perplexity", "pplx-", _L + r"pplx-[A-Za-z0-9]{40,}"),
    _shape("replicate", "r8_", _L + r"r8_[A-Za-z0-9]{37}" + _R),
    _shape("fly", "FlyV1", _L + r"FlyV1 fm\d[a-z]*_[A-Za-z0-9+/=,_-]{40,}"),
    _shape("azure", "AccountKey=|SharedAccessKey=", r"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/=]{20,})"),
    _shape("azure", "sig=", r"[?&]sig=(?P<secret>[A-Za-z0-9%+/=_-]{20,})"),
    _shape("jwt", "eyJ", _L + r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    # Headers; the name decides, so any value goes.
    _shape(
        "header",
        "uthorization|UTHORIZATION",
        r"(?i:authorization)[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?>(?:(?i:bearer|basic|token|apikey|digest)\s+)?)"
        r"(?P<secret>[^\s\"'\\\[<$][^\s\"'\\]{3,})",
    ),
    _shape("header", "earer |EARER ", r"\b[Bb](?i:earer)\s+(?P<secret>(?=[^\s]*\d)[A-Za-z0-9._~+/=-]{16,})"),
    _shape("cookie", "ookie:", r"(?i:(?:set-)?cookie):\s{0,3}(?P<secret>[^\s\"'\[<$][^\r\n\"']{5,})"),
    # Addresses with a password in them: scheme://user:password@host.
    _shape(
        "url", "://", r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@'\"]{0,100}:(?P<secret>[^\s/@'\"\[<${][^\s/@'\"]{0,200})@"
    ),
    _shape("url", "://", r"https?://(?P<secret>[A-Za-z0-9_-]{20,200})@"),
    # Options that carry a password.
    _shape(
        "option",
        "curl|wget|http",
        r"\b(?:curl|wget|https?|xh)\b[^\n|;&]{0,300}?"
        r"(?:\s-[ua]\s{0,2}|\s--(?:proxy-)?user[ =])[\"']?[^\s:\"'/$]{1,80}:(?P<secret>[^\s\"'\[<$][^\s\"']{0,200})",
    ),
    _shape(
        "option",
        "mysql|mariadb|mongo",
        r"\b(?:mysql\w*|mariadb\w*|mongo\w*)\b[^\n|;&]{0,300}?\s-p[\"']?(?P<secret>[^\s\"'\[<$-][^\s\"']{2,200})",
    ),
    _shape(
        "option",
        "sshpass|docker login|podman login|helm registry login|twine|smbclient|ldapsearch|rdesktop|ipmitool",
        r"\b(?:sshpass|(?:docker|podman|registry) login|twine|ldap\w+|rdesktop|ipmitool)\b[^\n|;&]{0,200}?"
        r"\s-[pwP]\s{0,2}[\"']?(?P<secret>[^\s\"'\[<$-][^\s\"']{2,200})",
    ),
    _shape(
        "option", "redis-cli", r"\bredis-cli\b[^\n|;&]{0,200}?\s-a\s+[\"']?(?P<secret>[^\s\"'\[<$-][^\s\"']{2,200})"
    ),
    _shape("option", "pass:", r"\bpass:(?P<secret>[^\s\"'\[<$][^\s\"']{2,200})"),
    _shape(
        "option", "IDENTIFIED|identified", r"(?i:identified\s+by)\s+(?:(?i:password)\s+)?'(?P<secret>[^'\[]{3,200})'"
    ),
    _shape("netrc", "machine ", r"\bmachine\s+\S+\s+login\s+\S+\s+password\s+(?P<secret>[^\s\[<$]\S{2,})"),
)

KEY_WORDS = (
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret_key",
    "secret-key",
    "secretkey",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "accesskey",
    "private_key",
    "private-key",
    "privatekey",
    "encryption_key",
    "signing_key",
    "credential",
    "client_id_secret",
)
"""Ends of names (of variables, settings, options, JSON keys) whose value is a secret."""

PASSWORD_WORDS = frozenset({"password", "passwd", "passphrase", "pwd"})
"""Names whose value is a secret however short and plain it is."""

SECRET_VARIABLE = re.compile(
    r"(?i)(?:^|_)(?:api_?key|access_?key|private_?key|secret(?:_?key)?|token|password|passwd|passphrase|pwd|"
    r"credentials?|auth|pat)(?:_\d+)?\Z"
)
"""Names of environment variables whose value is looked for everywhere."""

NO_SECRET = frozenset(
    """
    true false null none nil undefined str string int integer bool boolean bytes float object any optional required
    text number password passwd secret token key value changeme example redacted hidden masked prompt stdin empty
    default required: input username
    """.split()
)
"""Values that name no secret: types, placeholders."""
