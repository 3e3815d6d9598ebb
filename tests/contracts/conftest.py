"""The Vaults that the contract is tried on.

OpenBao as it is, OpenBao in HashiCorp's shape, and with ``--hashicorp-vault`` HashiCorp Vault's own image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.policies.service import Setup, apply, read_files
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.operator import VaultOperator
from app.vault.options import Mounts, Server, VaultOptions
from tests.support.hashicorp_shape import HashicorpShape
from tests.support.openbao import openbao
from tests.support.topology import compose
from tests.support.vault_proxy import vault_proxy

POLICIES = Path(__file__).parents[2] / "vault-policies"
HASHICORP_IMAGE = compose()["services"]["vault"]["image"]
_STARTED = 60


@dataclass(frozen=True)
class Product:
    """One of the two, running, with our policies applied."""

    name: str
    server: Server
    root: str
    setup: Setup
    signing_key: bytes

    def operator(self) -> VaultOperator:
        return VaultOperator(self.server, self.root)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "product" in metafunc.fixturenames:
        products = ["openbao", "hashicorp-shape"]
        if metafunc.config.getoption("--hashicorp-vault"):
            products.append("hashicorp-vault")
        metafunc.parametrize("product", products, indirect=True, scope="session")


@pytest.fixture(scope="session")
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    key = new_signing_key()
    setup = Setup(Mounts(), read_files(POLICIES), [public_key(key)])
    starts = {"openbao": _openbao, "hashicorp-shape": _hashicorp_shape, "hashicorp-vault": _hashicorp_vault}
    start = starts[request.param]
    with start(tmp_path_factory.mktemp(request.param)) as (server, root):
        product = Product(request.param, server, root, setup, key)
        with product.operator() as operator:
            apply(operator, setup)
        yield product


@pytest.fixture
def vault(product: Product) -> Iterator[VaultClient]:
    client = VaultClient(VaultOptions(product.server, product.signing_key))
    yield client
    client.close()


@contextmanager
def _openbao(folder: Path) -> Iterator[tuple[Server, str]]:
    with openbao(folder) as running:
        yield running.server(), running.root


@contextmanager
def _hashicorp_shape(folder: Path) -> Iterator[tuple[Server, str]]:
    with (
        openbao(folder) as running,
        vault_proxy(running.address, shape=HashicorpShape(), cacert=str(running.cacert)) as proxy,
    ):
        yield Server(proxy.address, read_timeout=30.0), running.root


@contextmanager
def _hashicorp_vault(folder: Path) -> Iterator[tuple[Server, str]]:
    import docker
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    try:
        docker.from_env().ping()
    except docker.errors.DockerException:
        pytest.skip("HashiCorp Vault's own image needs a Docker engine, and none answers here.")
    ready = HttpWaitStrategy(8200, "/v1/sys/health").for_status_code(200).with_startup_timeout(_STARTED)
    container = (
        DockerContainer(HASHICORP_IMAGE)
        .with_env("VAULT_DEV_ROOT_TOKEN_ID", "root")
        .with_exposed_ports(8200)
        .waiting_for(ready)
    )
    with container as running:
        address = f"http://{running.get_container_host_ip()}:{running.get_exposed_port(8200)}"
        yield Server(address, read_timeout=30.0), "root"
