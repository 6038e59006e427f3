"""A real identity provider, small: Authlib's authorization server over HTTP, as a process of its own.

`python -m tests.support.oidc_provider` prints its port. Whoever opens `/authorize` is signed in as the person
that `POST /person` named last, without being asked. `POST /lie` makes it do what a bad provider would.
"""

import json
import secrets
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    AuthorizationServer,
    ClientMixin,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "headgate-test", "client-secret-51f0"


class Client(ClientMixin):  # type: ignore[misc]
    client_id = CLIENT_ID

    def get_client_id(self):
        return CLIENT_ID

    def get_default_redirect_uri(self):
        return ""

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        ours = ("https://gate.example.com/api/v1/auth/oauth/", "http://127.0.0.1:")
        return redirect_uri.startswith(ours)

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(client_secret, CLIENT_SECRET)

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    person: dict[str, Any]

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return None

    def get_acr(self):
        return None

    def get_amr(self):
        return None


@dataclass
class World:
    issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}))


WORLD = World()


class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def save_authorization_code(self, code, request):
        data = request.payload.data
        WORLD.codes[code] = Code(
            data["redirect_uri"], data.get("scope", ""), data.get("nonce"), data.get("code_challenge"),
            data.get("code_challenge_method"), dict(WORLD.person),
        )  # fmt: skip

    def query_authorization_code(self, code, client):
        return WORLD.codes.get(code)

    def delete_authorization_code(self, authorization_code):
        WORLD.codes = {key: value for key, value in WORLD.codes.items() if value is not authorization_code}

    def authenticate_user(self, authorization_code):
        return authorization_code.person


class IdToken(OpenIDCode):  # type: ignore[misc]
    def exists_nonce(self, nonce, request):
        return False

    def resolve_client_private_key(self, client):
        return RSAKey.generate_key(2048, {"kid": "first"}) if WORLD.lies.get("key") else WORLD.key

    def get_client_algorithm(self, client):
        return "RS256"

    def get_client_claims(self, client):
        return {"iss": WORLD.lies.get("iss", WORLD.issuer)}

    def get_jwt_config(self, grant, client=None):
        return {
            "key": self.resolve_client_private_key(client), "alg": "RS256",
            "exp": 3600, "iss": WORLD.lies.get("iss", WORLD.issuer),
        }  # fmt: skip

    def generate_user_info(self, user, scope):
        changed = {
            key: WORLD.lies[key] for key in ("aud", "azp", "auth_time", "exp", "nonce") if key in WORLD.lies
        }
        return {**user, **changed}


class Asked(OAuth2Request):  # type: ignore[misc]
    def __init__(self, method: str, uri: str, *, headers: Any, fields: dict[str, str]) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(fields)
        self._fields = fields

    @property
    def args(self):
        return self._fields

    @property
    def form(self):
        return self._fields


class Server(AuthorizationServer):  # type: ignore[misc]
    def query_client(self, client_id):
        return Client() if client_id == CLIENT_ID else None

    def save_token(self, token, request):
        WORLD.tokens[token["access_token"]] = dict(request.user)

    def send_signal(self, name, *args, **kwargs):
        return None

    def create_oauth2_request(self, request):
        return request

    def handle_response(self, status, body, headers):
        return status, body if isinstance(body, str) else json.dumps(body), list(headers or [])


def bearer_token(grant_type, client, user=None, scope=None, expires_in=None, include_refresh_token=True):
    return {
        "token_type": "Bearer",
        "access_token": secrets.token_urlsafe(24),
        "expires_in": 600,
        "scope": scope,
    }


SERVER = Server()
SERVER.register_token_generator("default", bearer_token)
SERVER.register_grant(Grant, [IdToken(), CodeChallenge(required=True)])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            self._json({
                "issuer": WORLD.lies.get("discovery", WORLD.issuer),
                "authorization_endpoint": WORLD.issuer + "/authorize",
                "token_endpoint": WORLD.issuer + "/token",
                "userinfo_endpoint": WORLD.issuer + "/userinfo",
                "jwks_uri": WORLD.issuer + "/jwks",
            })  # fmt: skip
        elif path == "/jwks":
            self._json({"keys": [WORLD.key.as_dict(private=False)]})
        elif path == "/authorize":
            request = self._request(dict(parse_qsl(urlsplit(self.path).query)))
            grant = SERVER.get_consent_grant(request, end_user=WORLD.person)
            self._send(*SERVER.create_authorization_response(request, WORLD.person, grant))
        elif path == "/userinfo":
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            person = WORLD.tokens.get(token)
            self._json(person or {"error": "invalid_token"}, 200 if person else 401)
        else:
            self._json({}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        match self.path:
            case "/token":
                request = self._request(dict(parse_qsl(body.decode())))
                self._send(*SERVER.create_token_response(request))
            case "/person":
                WORLD.person, WORLD.lies = json.loads(body), {}
                self._json({})
            case "/lie":
                WORLD.lies = json.loads(body)
                self._json({})
            case _:
                self._json({}, 404)

    def _request(self, fields: dict[str, str]) -> OAuth2Request:
        return Asked(self.command, self.path, headers=self.headers, fields=fields)

    def _json(self, document: Any, status: int = 200) -> None:
        self._send(status, json.dumps(document), [("Content-Type", "application/json")])

    def _send(self, status: int, body: str, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    WORLD.issuer = f"http://127.0.0.1:{server.server_port}"
    print(server.server_port, flush=True)  # noqa: T201

    def end() -> None:
        sys.stdin.read()
        server.shutdown()

    threading.Thread(target=end, daemon=True).start()
    server.serve_forever()


@dataclass
class RunningProvider:
    issuer: str

    def person(self, **claims: Any) -> None:
        """Who signs in from now on; it tells no lies."""
        self._post("/person", claims)

    def lie(self, **lies: Any) -> None:
        self._post("/lie", lies)

    def authorize(self, url: str) -> str:
        """What a browser does at the provider; where it is sent afterwards."""
        assert url.startswith(self.issuer + "/authorize?"), url
        try:
            with urllib.request.build_opener(_NoRedirect).open(url, timeout=5) as answer:
                raise AssertionError(answer.read())
        except urllib.error.HTTPError as redirect:
            with redirect:
                return redirect.headers["location"]

    def _post(self, path: str, document: Any) -> None:
        request = urllib.request.Request(self.issuer + path, json.dumps(document).encode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            answer.read()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def running_provider() -> Iterator[RunningProvider]:
    command = [sys.executable, "-m", "tests.support.oidc_provider"]
    environment = {"AUTHLIB_INSECURE_TRANSPORT": "1", "PYTHONPATH": ":".join(p for p in sys.path if p)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield RunningProvider(f"http://127.0.0.1:{int(process.stdout.readline())}")
        process.stdin.close()


if __name__ == "__main__":
    main()
