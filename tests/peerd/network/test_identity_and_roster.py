"""Keys on disk, and the roster's rules: who is let in, what merges, what is refused, what survives damage."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from peerd.network.addresses import AddressBook
from peerd.network.identity import Identity, signed_by
from peerd.network.roster import Roster
from peerd.network.secret_files import read_secret, write_secret
from peerd_protocol.certificates import (
    ALL_ROLES,
    MemberCertificate,
    Revocation,
    Signed,
    certificate_bytes,
    device_id,
    key_bind_bytes,
    pack,
    read,
    read_signed,
    revocation_bytes,
)
from peerd_protocol.errors import LocalError, RemoteError
from peerd_protocol.ids import NodeId


class Device:
    def __init__(self, folder: Path, name: str) -> None:
        self.home = folder / name
        self.identity = Identity.load_or_make(self.home)
        self.roster = Roster.load_or_found(self.home, self.identity, name)

    @property
    def node(self) -> NodeId:
        return self.identity.node


def admit(admin: Device, other: Device, name: str = "other") -> None:
    them = other.identity
    admin.roster.admit(them.device_key, them.curve_key, them.key_bind, name, ALL_ROLES)


def share(source: Device, target: Device) -> bool:
    return target.roster.merge(source.roster.certificates, source.roster.revocations)


def adopt(source: Device, target: Device) -> None:
    target.roster.adopt(source.roster.keys, source.roster.certificates, source.roster.revocations)


# ---- keys on disk ------------------------------------------------------------------------------------------------


def test_a_device_keeps_its_keys_and_shows_them_to_nobody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = Identity.load_or_make(home)
    assert Identity.load_or_make(home).node == first.node == device_id(first.device_key)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()] == [0o600]
    assert repr(first.curve_secret) not in repr(first) and "secret" not in repr(first)
    assert signed_by(first.device_key, first.key_bind, key_bind_bytes(first.device_key, first.curve_key))


def test_keys_stay_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Roster.load_or_found(tmp_path / "h", Identity.load_or_make(tmp_path / "h"), "ada")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "h", *(tmp_path / "h").iterdir()]}
    assert modes == {"h": 0o700, "identity.key": 0o600, "cluster.key": 0o600}


@pytest.mark.parametrize(("name", "mode"), [("identity.key", 0o640), ("identity.key", 0o604), ("cluster.key", 0o644)])
def test_a_key_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path, name: str, mode: int) -> None:
    Device(tmp_path, "ada")
    (tmp_path / "ada" / name).chmod(mode)
    with pytest.raises(LocalError, match=f"chmod 600 .*{name}"):
        Device(tmp_path, "ada")


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    Device(tmp_path, "ada")
    (tmp_path / "ada").chmod(0o755)
    with pytest.raises(LocalError, match="chmod 700"):
        Device(tmp_path, "ada")


@pytest.mark.parametrize("name", ["identity.key", "cluster.key"])
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, name: str, damage: str) -> None:
    Device(tmp_path, "ada")
    path = tmp_path / "ada" / name
    data = path.read_bytes()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    broken = {"empty": b"", "cut": data[:-1], "flipped": flipped, "text": b"hello"}[damage]
    path.write_bytes(broken)
    with pytest.raises(LocalError, match=f"{name} is damaged"):
        Device(tmp_path, "ada")
    assert path.read_bytes() == broken


def test_a_link_in_place_of_a_key_is_refused(tmp_path: Path) -> None:
    Device(tmp_path, "ada")
    path = tmp_path / "ada" / "identity.key"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalError, match="can not be read"):
        Device(tmp_path, "ada")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret(path, "test", b"old")
    (tmp_path / f".key.{os.getpid()}").mkdir()  # where the new file would be written first
    with pytest.raises((LocalError, OSError)):
        write_secret(path, "test", b"new")
    assert read_secret(path, "test") == b"old"


def test_another_devices_cluster_file_is_noticed(tmp_path: Path) -> None:
    Device(tmp_path, "ada")
    Device(tmp_path, "bob")
    (tmp_path / "ada" / "cluster.key").replace(tmp_path / "bob" / "cluster.key")
    with pytest.raises(LocalError, match="belongs to another device"):
        Device(tmp_path, "bob")


# ---- the roster --------------------------------------------------------------------------------------------------


def test_a_new_node_founds_its_own_cluster_and_is_its_admin(tmp_path: Path) -> None:
    ada = Device(tmp_path, "ada")
    assert ada.roster.alone and ada.roster.is_admin and ada.roster.admins == ("ada",)
    assert ada.roster.members == {ada.node}
    assert Device(tmp_path, "ada").roster.digest == ada.roster.digest


def test_members_that_were_apart_agree_whatever_they_learn_first(tmp_path: Path) -> None:
    ada, bob, cyd = (Device(tmp_path, name) for name in ("ada", "bob", "cyd"))
    admit(ada, bob, "bob")
    adopt(ada, bob)
    admit(ada, cyd, "cyd")
    adopt(ada, cyd)
    assert share(cyd, bob) and not share(cyd, bob)
    assert ada.roster.digest == bob.roster.digest == cyd.roster.digest
    assert bob.roster.node_of(cyd.identity.curve_key) == cyd.node
    assert Device(tmp_path, "bob").roster.members == {ada.node, bob.node, cyd.node}


def test_a_revocation_is_for_ever_and_spreads(tmp_path: Path) -> None:
    ada, bob, cyd = (Device(tmp_path, name) for name in ("ada", "bob", "cyd"))
    for other in (bob, cyd):
        admit(ada, other)
        adopt(ada, other)
    ada.roster.revoke(bob.node)
    assert share(ada, cyd)
    assert cyd.roster.node_of(bob.identity.curve_key) is None and bob.node not in cyd.roster.members
    share(bob, cyd)
    assert bob.node not in cyd.roster.members
    with pytest.raises(LocalError, match="was revoked"):
        admit(ada, bob)
    with pytest.raises(LocalError, match="not a member"):
        ada.roster.revoke(bob.node)
    with pytest.raises(LocalError, match="root key"):
        ada.roster.revoke(ada.node)


def test_the_latest_certificate_of_a_device_holds(tmp_path: Path) -> None:
    ada, bob = Device(tmp_path, "ada"), Device(tmp_path, "bob")
    admit(ada, bob, "old name")
    admit(ada, bob, "new name")
    member = ada.roster.member(bob.node)
    assert member is not None and member.name == "new name" and member.serial == 2


def test_only_the_root_key_lets_in_and_shuts_out(tmp_path: Path) -> None:
    ada, bob, cyd, eve = (Device(tmp_path, name) for name in ("ada", "bob", "cyd", "eve"))
    admit(ada, bob)
    adopt(ada, bob)
    with pytest.raises(LocalError, match="run the command on ada"):
        admit(bob, cyd)
    with pytest.raises(LocalError, match="run the command on ada"):
        bob.roster.revoke(ada.node)
    admit(eve, cyd)  # eve's cluster is another one
    assert not share(eve, bob)
    assert bob.roster.members == {ada.node, bob.node}


def forged(ada: Device, bob: Device) -> dict[str, bytes]:
    """Certificates for Bob that are wrong in one way each."""
    eve = bob.identity
    good = MemberCertificate(
        cluster=ada.roster.cluster,
        device_key=eve.device_key,
        curve_key=eve.curve_key,
        key_bind=eve.key_bind,
        name="bob",
        roles=ALL_ROLES,
        serial=1,
    )
    body = pack(good)
    own = read_signed(ada.roster.certificates[0])
    other_curve = pack(msgspec.structs.replace(good, curve_key=bytes(32)))
    return {
        "signed by the device itself": pack(Signed(body, eve.sign(certificate_bytes(body)))),
        "signed in another domain": pack(Signed(body, eve.sign(revocation_bytes(body)))),
        "another body under a good signature": pack(Signed(body, own.signature)),
        "a key that the device did not bind": pack(Signed(other_curve, own.signature)),
        "not a certificate": b"hello",
        "too large": bytes(5_000),
    }


def test_a_forged_certificate_changes_nothing(tmp_path: Path) -> None:
    ada, bob = Device(tmp_path, "ada"), Device(tmp_path, "bob")
    before = ada.roster.digest
    for why, proof in forged(ada, bob).items():
        assert not ada.roster.merge([proof], []), why
        assert not ada.roster.merge([], [proof]), why
    assert ada.roster.digest == before and ada.roster.members == {ada.node}


def test_a_signature_of_one_kind_is_none_of_another(tmp_path: Path) -> None:
    """A revocation's body signed as a certificate, and the other way round."""
    ada, bob = Device(tmp_path, "ada"), Device(tmp_path, "bob")
    admit(ada, bob)
    certificate = next(proof for proof in ada.roster.certificates if b"other" in proof)
    assert not ada.roster.merge([], [certificate])
    ada.roster.revoke(bob.node)
    revocation = ada.roster.revocations[0]
    assert read(read_signed(revocation).body, Revocation, 1_024).node == bob.node
    assert not ada.roster.merge([revocation], [])


def test_a_device_that_did_not_sign_its_keys_gets_no_certificate(tmp_path: Path) -> None:
    ada, bob = Device(tmp_path, "ada"), Device(tmp_path, "bob")
    them = bob.identity
    with pytest.raises(RemoteError, match="did not sign"):
        ada.roster.admit(them.device_key, ada.identity.curve_key, them.key_bind, "bob", ALL_ROLES)


def test_a_grant_without_a_certificate_for_this_device_is_not_adopted(tmp_path: Path) -> None:
    ada, bob = Device(tmp_path, "ada"), Device(tmp_path, "bob")
    with pytest.raises(RemoteError, match="no valid certificate"):
        adopt(ada, bob)
    assert bob.roster.is_admin and bob.roster.alone
    assert Device(tmp_path, "bob").roster.digest == bob.roster.digest


def test_a_full_cluster_says_so(tmp_path: Path) -> None:
    ada = Device(tmp_path, "ada")
    for number in range(31):
        admit(ada, Device(tmp_path, f"device {number}"))
    with pytest.raises(LocalError, match="32 members"):
        admit(ada, Device(tmp_path, "one more"))


# ---- remembered addresses ----------------------------------------------------------------------------------------


def test_addresses_are_remembered_can_be_erased_and_are_never_worth_failing_for(tmp_path: Path) -> None:
    home = Device(tmp_path, "ada").home
    AddressBook(home).remember(NodeId("bob"), "192.168.1.2", 7777)
    assert AddressBook(home).known() == [(NodeId("bob"), "192.168.1.2", 7777)]
    (home / "addresses").unlink()
    assert AddressBook(home).known() == []
    AddressBook(home).remember(NodeId("bob"), "192.168.1.2", 7777)
    (home / "addresses").write_bytes(b"damaged")
    assert AddressBook(home).known() == []
