"""What the service is measured beside, each set up as its own documentation advises."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from bench.processes import await_answer, free_port, running

HERE: Final = Path(__file__).parent
_TOKEN: Final = "a-token-of-the-bench-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer, and how it is asked."""

    name: str
    base: str
    pid: int
    log: Path
    reads_vault: bool = True
    method: str = "GET"
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Programs:
    """The folders that hold the peers' programs."""

    peers: Path
    litellm: Path


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What peers stand on: programs, the upstream, Vault with a token that may read, the mount, and a value."""

    programs: Programs
    folder: Path
    upstream_port: int
    vault_address: str
    vault_token: str
    secrets_path: str
    value: str


@contextmanager
def upstream(folder: Path, answers: dict[str, bytes]) -> Iterator[int]:
    """Run nginx with these files; whoever brings no Authorization gets a 401. Gives its port."""
    root, port = folder / "www", free_port()
    root.mkdir()
    for name, content in answers.items():
        (root / name).write_bytes(content)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
        daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
        events {{ worker_connections 1024; }}
        http {{
          access_log off; keepalive_requests 1000000; keepalive_timeout 300s; tcp_nopush on; sendfile on;
          open_file_cache max=100;
          client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
          uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
          types {{ application/json json; }} default_type application/json;
          server {{
            listen 127.0.0.1:{port}; root {root};
            location / {{ if ($http_authorization = "") {{ return 401; }} }}
            location /open/ {{ alias {root}/; }}
            location = /token {{ return 200 '{{"access_token": "{_TOKEN}", "expires_in": 3600}}'; }}
          }}
        }}
        """
    )
    root.chmod(0o755)
    folder.chmod(0o755)
    command = ["nginx", "-e", str(folder / "nginx.log"), "-c", str(configuration)]
    with running(command, environ={"PATH": os.environ["PATH"] + ":/usr/sbin"}, log=folder / "nginx.out"):
        await_answer(f"http://127.0.0.1:{port}/", log=folder / "nginx.out")
        yield port


@contextmanager
def all_peers(around: Surroundings, *, slow: bool = True) -> Iterator[dict[str, Peer]]:
    """Run every peer for as long as the block runs; they start side by side.

    Args:
        slow: False leaves out LiteLLM's proxy, which takes as long to start as all others together.
    """
    threads = ["--worker-class", "gthread", "-w", "2", "--threads", "8"]
    with ExitStack() as stack:
        peers = [
            *([stack.enter_context(litellm(around))] if slow else []),
            stack.enter_context(naive(around, "naive-gthread", threads)),
            stack.enter_context(naive(around, "naive-sync", ["--worker-class", "sync", "-w", "2"])),
            stack.enter_context(mitmproxy(around)),
            stack.enter_context(envoy(around)),
        ]
        for peer in reversed(peers):  # the slowest to start has had the time of all others
            await_answer(f"{peer.base}/", log=peer.log, seconds=120)
        yield {peer.name: peer for peer in reversed(peers)}


@contextmanager
def naive(around: Surroundings, name: str, options: Sequence[str]) -> Iterator[Peer]:
    """Flask under gunicorn: what one would write in an afternoon. Keep-alive as long as gunicorn's kind allows."""
    port, log = free_port(), around.folder / f"{name}.log"
    command = [str(around.programs.peers / "gunicorn"), *options, "--keep-alive", "75"]
    command += ["--bind", f"127.0.0.1:{port}", "--worker-tmp-dir", "/dev/shm", "--chdir", str(HERE), "naive:app"]
    with running(command, environ=_environ(around), log=log) as pid:
        yield Peer(name, f"http://127.0.0.1:{port}", pid, log, method="POST")


@contextmanager
def mitmproxy(around: Surroundings) -> Iterator[Peer]:
    """mitmdump in reverse mode with an add-on that reads Vault and injects; no flow is kept or printed."""
    port, log = free_port(), around.folder / "mitmproxy.log"
    command = [str(around.programs.peers / "mitmdump"), "--mode", f"reverse:http://127.0.0.1:{around.upstream_port}"]
    command += ["--listen-host", "127.0.0.1", "--listen-port", str(port), "--quiet"]
    command += ["--set", "stream_large_bodies=1m", "--set", "connection_strategy=lazy"]
    command += ["--set", f"confdir={around.folder / 'mitmproxy'}", "--scripts", str(HERE / "mitmproxy_addon.py")]
    with running(command, environ=_environ(around), log=log) as pid:
        yield Peer("mitmproxy", f"http://127.0.0.1:{port}", pid, log)


@contextmanager
def litellm(around: Surroundings) -> Iterator[Peer]:
    """LiteLLM's proxy with a pass-through endpoint, whose header has the credential: it reads no Vault.

    As many workers as the service has, a master key, which clients bring, and no database. Its list of models comes
    from the package: nothing is fetched. Source: docs.litellm.ai, "Create Pass Through Endpoints", "CLI Arguments".
    """
    port, log, key = free_port(), around.folder / "litellm.log", f"sk-{token_hex(32)}"
    target = {
        "path": "/1k.json",
        "target": f"http://127.0.0.1:{around.upstream_port}/1k.json",
        "headers": {"Authorization": "Bearer os.environ/BENCH_VALUE"},
    }
    configuration = around.folder / "litellm.json"  # JSON is YAML
    configuration.write_text(json.dumps({"model_list": [], "general_settings": {"pass_through_endpoints": [target]}}))
    command = [str(around.programs.litellm / "litellm"), "--config", str(configuration), "--num_workers", "2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    settings = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    environ = _environ(around) | settings | {"BENCH_VALUE": around.value}
    with running(command, environ=environ, log=log) as pid:
        headers = {"Authorization": f"Bearer {key}"}
        yield Peer("litellm", f"http://127.0.0.1:{port}", pid, log, reads_vault=False, headers=headers)


@contextmanager
def envoy(around: Surroundings) -> Iterator[Peer]:
    """Envoy with its credential injector, whose one credential lies in a file: it reads no Vault."""
    port, log = free_port(), around.folder / "envoy.log"
    secret = {"resources": [_envoy_secret(f"Bearer {around.value}")]}
    (around.folder / "envoy-secret.json").write_text(json.dumps(secret))
    configuration = around.folder / "envoy.json"
    configuration.write_text(json.dumps(_envoy(port, around.upstream_port, around.folder / "envoy-secret.json")))
    command = [str(around.programs.peers / "envoy"), "-c", str(configuration), "--concurrency", "1"]
    command += ["--log-level", "warning", "--base-id", str(port), "--disable-hot-restart"]
    with running(command, environ=_environ(around), log=log) as pid:
        yield Peer("envoy", f"http://127.0.0.1:{port}", pid, log, reads_vault=False)


def _environ(around: Surroundings) -> dict[str, str]:
    return {
        "PATH": f"{around.programs.peers}:{os.environ['PATH']}",
        "HOME": str(around.folder),
        "VAULT_ADDR": around.vault_address,
        "BENCH_VAULT_TOKEN": around.vault_token,
        "BENCH_SECRETS": around.secrets_path,
        "BENCH_UPSTREAM": f"http://127.0.0.1:{around.upstream_port}",
    }


def _envoy_secret(header: str) -> dict[str, object]:
    return {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "credential",
        "generic_secret": {"secret": {"inline_string": header}},
    }


def _envoy(port: int, upstream_port: int, secret: Path) -> dict[str, object]:
    extensions = "type.googleapis.com/envoy.extensions"
    injected = {
        "name": "envoy.http.injected_credentials.generic",
        "typed_config": {
            "@type": f"{extensions}.http.injected_credentials.generic.v3.Generic",
            "credential": {
                "name": "credential",
                "sds_config": {"path_config_source": {"path": str(secret)}, "resource_api_version": "V3"},
            },
        },
    }
    injector = {
        "@type": f"{extensions}.filters.http.credential_injector.v3.CredentialInjector",
        "credential": injected,
        "overwrite": True,
    }
    router = {"@type": f"{extensions}.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "static_resources": {
            "listeners": [
                {
                    "address": _envoy_address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "upstream",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "upstream",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _envoy_address(upstream_port)}}]}],
                    },
                }
            ],
        },
    }


def _envoy_address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
