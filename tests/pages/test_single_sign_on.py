"""Signing in to the pages through an identity provider: a strict one of the tests' own, and the one OpenBao brings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.support.browser import window
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, oidc_provider
from tests.support.openbao import OpenBao, openbao
from tests.support.service import Service, free_port, launch, running

STARTED = "/sign-in/oidc"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def company(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose users come from the provider, and from nowhere else."""
    folder = tmp_path_factory.mktemp("company")
    secret = folder / "client-secret"
    secret.write_text(CLIENT_SECRET + "\n")
    settings = {
        "STRONGROOM_OIDC_ISSUER": provider.issuer,
        "STRONGROOM_OIDC_CLIENT_ID": CLIENT_ID,
        "STRONGROOM_OIDC_CLIENT_SECRET_FILE": str(secret),
        "STRONGROOM_PASSWORDS": "refuse",
        "STRONGROOM_SIGN_IN_LIMIT": "1000/minute",
    }
    with running(folder, **settings) as service:
        yield service


@pytest.fixture(autouse=True)
def honest(provider: Provider) -> None:
    provider.claims, provider.callback, provider.subject = {}, {}, "ada"


def browser() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def go_to_provider(session: requests.Session, service: Service, wanted: str = "") -> str:
    answer = session.get(f"{service.url}{STARTED}{wanted}", allow_redirects=False, timeout=30)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def sign_in(session: requests.Session, service: Service, provider: Provider, wanted: str = "") -> requests.Response:
    back = provider.authorize(go_to_provider(session, service, wanted))
    return session.get(back, allow_redirects=False, timeout=30)


def is_in(session: requests.Session, service: Service) -> bool:
    return session.get(f"{service.url}/account", allow_redirects=False, timeout=30).status_code == 200


def test_whom_the_provider_confirms_is_in_and_gets_where_they_wanted(company: Service, provider: Provider) -> None:
    with browser() as session:
        answer = sign_in(session, company, provider, "?next=/workspaces/acme/audit")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/workspaces/acme/audit")
        assert is_in(session, company)


def test_in_a_browser_one_gets_where_one_wanted_and_goes_on_over_the_page_when_the_session_ends(
    browser: Browser, company: Service
) -> None:
    company.ask("POST", "/workspaces", {"name": "acme", "title": "Acme"}, user="ada")

    with window(browser, company.url) as opened:
        page = opened.go("/workspaces/acme/variables")
        expect(page.get_by_text("you aren't, or your session has ended")).to_be_visible()
        expect(page.get_by_label("Password")).to_have_count(0)
        page.get_by_role("link", name="Sign in with single sign-on").click()
        expect(page).to_have_url(f"{company.url}/workspaces/acme/variables")
        page.get_by_role("button", name="Create new").click()
        panel = page.locator("#panel")
        panel.get_by_label("Name", exact=True).fill("FRESH")
        panel.get_by_role("textbox", name="Value").fill("pasted-once")
        opened.context.clear_cookies()
        panel.get_by_role("button", name="Save").click()
        again = page.get_by_role("dialog", name="Sign in again")
        with opened.context.expect_page() as other:
            again.get_by_role("link", name="Sign in with single sign-on").click()
        expect(other.value.get_by_role("button", name="Sign out")).to_be_visible()
        other.value.close()
        page.evaluate("window.dispatchEvent(new Event('focus'))")  # as one comes back to the tab
        expect(page.get_by_text("FRESH was created")).to_be_visible()
        assert opened.errors == []


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_nobody_is_sent_to_another_site_afterwards(company: Service, provider: Provider, wanted: str) -> None:
    with browser() as session:
        answer = sign_in(session, company, provider, f"?next={wanted}")
        assert answer.headers["Location"] == "/"


def test_a_stolen_way_back_opens_nothing_in_another_browser(company: Service, provider: Provider) -> None:
    with browser() as ada, browser() as mallory:
        back = provider.authorize(go_to_provider(ada, company))
        assert mallory.get(back, allow_redirects=False, timeout=30).status_code == 401
        assert not is_in(mallory, company)
        assert ada.get(back, allow_redirects=False, timeout=30).status_code == 303


def test_a_way_back_serves_once_even_with_a_copy_of_the_cookie(company: Service, provider: Provider) -> None:
    with browser() as session, browser() as copy:
        url = go_to_provider(session, company)
        copy.cookies.update(session.cookies)
        assert session.get(provider.authorize(url), allow_redirects=False, timeout=30).status_code == 303
        answer = copy.get(provider.authorize(url), allow_redirects=False, timeout=30)  # the provider plays along
        assert answer.status_code == 401
        assert "used already" in answer.text


def test_a_disabled_user_stays_out_and_running_sessions_end(company: Service, provider: Provider) -> None:
    provider.subject = "leaver"
    with browser() as session:
        sign_in(session, company, provider)
        assert is_in(session, company)
        assert company.command("user", "disable", "leaver").returncode == 0
        assert not is_in(session, company)
        answer = sign_in(session, company, provider)
        assert (answer.status_code, "disabled" in answer.text) == (401, True)


def test_a_name_that_is_no_user_id_is_refused(company: Service, provider: Provider) -> None:
    provider.subject = "Ada Lovelace"
    with browser() as session:
        assert sign_in(session, company, provider).status_code == 401


def test_the_provider_can_end_a_session(company: Service, provider: Provider) -> None:
    provider.claims = {"sid": "s-9"}
    with browser() as session, browser() as other:
        sign_in(session, company, provider)
        provider.claims = {"sid": "s-10"}
        sign_in(other, company, provider)
        logout = {"logout_token": provider.logout_token(sub=None, sid="s-9")}
        answer = requests.post(f"{company.url}/sign-in/oidc/logout", data=logout, timeout=30)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        assert not is_in(session, company)
        assert is_in(other, company)


def test_what_is_no_logout_token_is_refused(company: Service, provider: Provider) -> None:
    for token in ("", "x", provider.id_token(provider.usual_claims("n"))):
        answer = requests.post(f"{company.url}/sign-in/oidc/logout", data={"logout_token": token}, timeout=30)
        assert answer.status_code == 400


def test_passwords_are_off_where_the_operator_says_so(company: Service) -> None:
    with browser() as session:
        page = session.get(f"{company.url}/sign-in", timeout=30).text
        assert "Sign in with single sign-on" in page
        assert "Password" not in page


def test_the_record_tells_of_it(company: Service, provider: Provider) -> None:
    provider.subject = "grace"
    with browser() as session:
        sign_in(session, company, provider)
    told = company.command("audit", "export").stdout
    assert '"grace"' in told
    assert '"single_sign_on": true' in told or '"single_sign_on":true' in told


def test_without_a_provider_there_is_nothing_of_it(service: Service) -> None:
    with browser() as session:
        assert "single sign-on" not in session.get(f"{service.url}/sign-in", timeout=30).text
        assert session.get(f"{service.url}{STARTED}", timeout=30).status_code == 404


@pytest.mark.slow
def test_settings_that_contradict_each_other_stop_the_start(service: Service) -> None:
    for settings in (
        {"STRONGROOM_PASSWORDS": "refuse"},
        {"STRONGROOM_OIDC_ISSUER": "https://idp.example"},
        {"STRONGROOM_OIDC_ISSUER": "http://idp.example", "STRONGROOM_OIDC_CLIENT_ID": "x"},
    ):
        told = service.command("config", **settings)
        assert told.returncode == 1
        assert "STRONGROOM_OIDC_ISSUER" in told.stderr


# --- OpenBao's own provider -------------------------------------------------------------------------------------------


def set_up_provider(bao: OpenBao, redirect_uri: str) -> tuple[str, str]:
    """Have OpenBao serve OpenID Connect for one client; returns the client's id and secret."""
    accepted = (200, 204)
    for path, body in (
        ("sys/auth/userpass", {"type": "userpass"}),
        ("auth/userpass/users/ada", {"password": "a sentence for ada"}),
        ("identity/oidc/key/strongroom", {"allowed_client_ids": ["*"], "algorithm": "ES256"}),
        (
            "identity/oidc/client/strongroom",
            {"key": "strongroom", "redirect_uris": [redirect_uri], "assignments": ["allow_all"]},
        ),
        ("identity/oidc/provider/company", {"allowed_client_ids": ["*"], "issuer": bao.address}),
    ):
        answer = bao.ask("POST", path, body)
        assert answer.status_code in accepted, (path, answer.text)
    client = bao.ask("GET", "identity/oidc/client/strongroom").json()["data"]
    return client["client_id"], client["client_secret"]


def authorize_at_openbao(bao: OpenBao, url: str) -> str:
    """Sign ada in at OpenBao and agree; returns where the browser is sent back to."""
    login = bao.ask("POST", "auth/userpass/login/ada", {"password": "a sentence for ada"}).json()
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    answer = requests.get(
        f"{bao.address}/v1/identity/oidc/provider/company/authorize",
        params=query,
        headers={"X-Vault-Token": login["auth"]["client_token"]},
        verify=str(bao.cacert),
        timeout=30,
    ).json()
    return f"{query['redirect_uri']}?code={answer['code']}&state={answer['state']}"


@pytest.mark.slow
def test_a_user_of_openbaos_own_provider_signs_in(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    port = free_port()
    with openbao(tmp_path_factory.mktemp("bao")) as bao:
        client_id, secret = set_up_provider(bao, f"http://127.0.0.1:{port}/sign-in/oidc/callback")
        (tmp_path / "secret").write_text(secret)
        settings = {
            "SSL_CERT_FILE": str(bao.cacert),
            "STRONGROOM_OIDC_ISSUER": f"{bao.address}/v1/identity/oidc/provider/company",
            "STRONGROOM_OIDC_CLIENT_ID": client_id,
            "STRONGROOM_OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
        }
        service = launch(tmp_path, port, **settings)
        try:
            with browser() as session:
                back = authorize_at_openbao(bao, go_to_provider(session, service))
                assert session.get(back, allow_redirects=False, timeout=30).status_code == 303
                assert is_in(session, service)
        finally:
            service.stop()
