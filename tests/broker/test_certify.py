"""deploy/broker/certify: what it makes, and what it refuses to do."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from deployed import DEPLOY, Authority, run

pytestmark = pytest.mark.needs("openssl")


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def revoked(authority: Authority) -> set[int]:
    found = x509.load_pem_x509_crl((authority.folder / "crl.pem").read_bytes())
    return {entry.serial_number for entry in found}


def test_help_has_an_example_and_needs_no_authority() -> None:
    done = run(DEPLOY / "certify", "--help")
    assert done.returncode == 0
    assert "Example:\n  certify init" in done.stdout


def test_keys_are_the_owners_alone_and_certificates_are_named_as_they_should_be(authority: Authority) -> None:
    keys = list(authority.folder.rglob("*.key"))
    assert len(keys) == 5
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert authority.folder.stat().st_mode & 0o077 == 0
    venue = certificate(authority.folder_of("venue", "tokyo") / "venue.pem")
    assert venue.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "tokyo"
    server = certificate(authority.folder_of("server", "cue-a.example") / "server.pem")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "cue-a.example"]
    assert "192.0.2.7" in map(str, names.get_values_for_type(x509.IPAddress))
    ca = certificate(authority.folder / "ca.pem")
    assert venue.not_valid_before_utc < ca.not_valid_after_utc, "players' clocks may be behind"


def test_a_second_init_leaves_the_authority_as_it_is(authority: Authority) -> None:
    before = (authority.folder / "ca.key").read_bytes()
    assert "stays as it is" in authority.certify("init", good=False).stderr
    assert (authority.folder / "ca.key").read_bytes() == before


def test_a_name_has_one_certificate_whatever_it_is_for(authority: Authority) -> None:
    key = authority.folder_of("venue", "tokyo") / "venue.key"
    before = key.read_bytes()
    assert "certify renew tokyo" in authority.certify("venue", "tokyo", good=False).stderr
    assert "has a certificate already" in authority.certify("operator", "tokyo", good=False).stderr
    assert "has a certificate already" in authority.certify("venue", "oslo", "oslo", good=False).stderr
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["venue", "a/b"], "an id is made of"),
        (["venue", "Tokyo"], "an id is made of"),
        (["venue", "+"], "an id is made of"),
        (["venue", "all"], "means every venue"),
        (["venue"], "name at least one"),
        (["server", "a,DNS:evil.example"], "no host name"),
        (["server", "a.example", "b,DNS:evil.example"], "no host name"),
        (["--days", "0", "list"], "number of days"),
        (["bogus"], "no command 'bogus'"),
        ([], "Usage"),
    ],
)
def test_what_is_no_use_is_refused_in_words_with_status_2(authority: Authority, words: list[str], said: str) -> None:
    done = authority.certify(*words, good=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_without_an_authority_it_says_how_to_make_one(tmp_path: Path) -> None:
    done = Authority(tmp_path / "none").certify("venue", "tokyo", good=False)
    assert (done.returncode, "certify init" in done.stderr) == (1, True)


def test_renewing_keeps_the_key_and_the_names_and_lasts_longer(authority: Authority) -> None:
    for kind, name in (("venue", "tokyo"), ("server", "cue-a.example"), ("operator", "alice")):
        folder = authority.folder_of(kind, name)
        key, old = (folder / f"{kind}.key").read_bytes(), certificate(folder / f"{kind}.pem")
        authority.certify("--days", "900", "renew", name)
        new = certificate(folder / f"{kind}.pem")
        assert (folder / f"{kind}.key").read_bytes() == key
        assert (new.public_key(), new.subject) == (old.public_key(), old.subject)
        assert new.serial_number != old.serial_number
        assert new.not_valid_after_utc > old.not_valid_after_utc
        if kind == "server":
            assert [*new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value] == [
                *old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            ]


def test_revoking_covers_every_certificate_of_the_name_and_frees_it(authority: Authority) -> None:
    folder = authority.folder_of("venue", "tokyo")
    first = certificate(folder / "venue.pem")
    authority.certify("renew", "tokyo")
    second = certificate(folder / "venue.pem")
    authority.certify("revoke", "tokyo")
    assert revoked(authority) == {first.serial_number, second.serial_number}
    told = authority.certify("list").stdout
    assert "revoked   tokyo-" in told and "valid     paris" in told
    authority.certify("venue", "tokyo")
    new = certificate(folder / "venue.pem")
    assert new.serial_number not in revoked(authority)
    assert new.public_key() != first.public_key()
    broker = authority.folder_of("server", "cue-a.example") / "crl.pem"
    assert broker.read_bytes() == (authority.folder / "crl.pem").read_bytes(), "what set-up takes along is the newest"


def test_what_is_said_to_be_revoked_is_on_the_list_whatever_else_is_named(authority: Authority) -> None:
    serial = certificate(authority.folder_of("venue", "paris") / "venue.pem").serial_number
    done = authority.certify("revoke", "paris", "no-such-venue", good=False)
    assert "revoked paris" not in done.stdout and "no certificate for 'no-such-venue'" in done.stderr
    assert revoked(authority) == set()
    before = (authority.folder / "crl.pem").read_bytes()
    authority.certify("revoke", "paris")
    # The machine went off before the list was written.
    (authority.folder / "crl.pem").write_bytes(before)
    authority.certify("revoke", "paris")
    assert revoked(authority) == {serial}


@pytest.mark.parametrize("command", ["renew", "revoke"])
@pytest.mark.parametrize("name", ["", ".", "..", "../venues/tokyo", "+"])
def test_a_name_that_is_none_has_no_certificate(authority: Authority, command: str, name: str) -> None:
    done = authority.certify(command, name, good=False)
    assert (done.returncode, done.stderr.startswith(f"certify: there is no certificate for '{name}'")) == (1, True)


def test_the_list_of_revoked_certificates_does_not_end_before_the_authority(authority: Authority) -> None:
    crl = x509.load_pem_x509_crl((authority.folder / "crl.pem").read_bytes())
    ca = certificate(authority.folder / "ca.pem")
    assert crl.next_update_utc is not None
    assert abs((crl.next_update_utc - ca.not_valid_after_utc).days) <= 1


def test_certificates_that_end_soon_or_have_ended_are_told(authority: Authority) -> None:
    authority.certify("--days", "20", "venue", "soon")
    assert "ends soon soon" in authority.certify("list").stdout


def test_both_scripts_are_sound_bash() -> None:
    for script in ("certify", "set-up", "hello"):
        assert subprocess.run(["bash", "-n", DEPLOY / script], check=False).returncode == 0
