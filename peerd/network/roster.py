"""Who belongs to this node's cluster: two grow-only sets, certificates and revocations, each signed by the root key.

A new node founds its own cluster and holds its root key; joining another one replaces the whole. Sets that only grow
can be merged in any order, so members that were apart agree as soon as they meet. A certificate never expires and a
revocation never ends. Never here: sockets, and where a member was last seen (`addresses`).
"""

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from peerd.network.identity import FILE_NAME as IDENTITY_FILE_NAME
from peerd.network.identity import Identity, signed_by
from peerd.network.secret_files import FILE_BYTES_MAX, damaged, read_secret, write_secret
from peerd_protocol.bounds import CERTIFICATES_MAX, NAME_CHARS_MAX
from peerd_protocol.certificates import (
    ALL_ROLES,
    ID_BLOCK,
    Key,
    MemberCertificate,
    Revocation,
    Role,
    Signed,
    certificate_bytes,
    cluster_id,
    key_bind_bytes,
    pack,
    read,
    read_signed,
    revocation_bytes,
    roster_digest,
)
from peerd_protocol.errors import UNREADABLE, FrameError, LocalError, RemoteError
from peerd_protocol.ids import NodeId
from peerd_protocol.limits import readable

log = logging.getLogger(__name__)

FILE_NAME: Final = "cluster.key"
_KIND: Final = "cluster"
MEMBERS_MAX: Final = 32
"""Every member sends every other a heartbeat; beyond this, several clusters serve a gathering better."""


class _Kept(msgspec.Struct, frozen=True):
    """The file's body: one file, so that joining another cluster is one rename."""

    root_key: Key
    root_secret: Annotated[bytes, Meta(max_length=32)]
    discovery_secret: Key
    certificates: Annotated[tuple[bytes, ...], Meta(max_length=CERTIFICATES_MAX)]
    revocations: Annotated[tuple[bytes, ...], Meta(max_length=CERTIFICATES_MAX)]


@dataclass(frozen=True, slots=True)
class ClusterKeys:
    """What a joiner is given besides the two sets."""

    root_key: bytes
    discovery_secret: bytes


class Roster:
    """The members of one cluster, as this node knows them."""

    def __init__(self, path: Path, identity: Identity, kept: _Kept) -> None:
        self._path, self._me = path, identity
        self._take(kept)

    @classmethod
    def load_or_found(cls, folder: Path, identity: Identity, name: str) -> "Roster":
        """The cluster in `folder`, or a new one with this node as its only member and admin."""
        path = folder / FILE_NAME
        body = read_secret(path, _KIND)
        if body is None:
            roster = cls(path, identity, _found(identity, name[:NAME_CHARS_MAX]))
            roster._save()
            return roster
        try:
            roster = cls(path, identity, msgspec.msgpack.decode(body, type=_Kept))
        except (*UNREADABLE, FrameError) as error:
            raise damaged(path) from error
        if identity.node not in roster._members and identity.node not in roster._revoked:
            raise LocalError(f"{path} belongs to another device than identity.key beside it; move one of them away.")
        return roster

    # ---- what others ask ---------------------------------------------------------------------------------------

    @property
    def cluster(self) -> str:
        return cluster_id(self._kept.root_key)

    @property
    def keys(self) -> ClusterKeys:
        return ClusterKeys(self._kept.root_key, self._kept.discovery_secret)

    @property
    def digest(self) -> bytes:
        return self._digest

    @property
    def certificates(self) -> tuple[bytes, ...]:
        return self._kept.certificates

    @property
    def revocations(self) -> tuple[bytes, ...]:
        return self._kept.revocations

    @property
    def members(self) -> frozenset[NodeId]:
        """Everyone with a certificate and no revocation, this node included."""
        return frozenset(self._members)

    @property
    def roles(self) -> dict[NodeId, frozenset[Role]]:
        """What each member may do."""
        return {node: frozenset(member.roles) for node, member in self._members.items()}

    @property
    def alone(self) -> bool:
        return self.members <= {self._me.node}

    @property
    def is_admin(self) -> bool:
        """Whether this node keeps the root key, so that it may invite and revoke."""
        return bool(self._kept.root_secret)

    @property
    def admins(self) -> tuple[str, ...]:
        """The names of those who may invite."""
        return tuple(sorted(member.name for member in self._members.values() if member.admin))

    def node_of(self, curve_key: bytes) -> NodeId | None:
        """Whose CURVE key this is, if its owner is a member today."""
        return self._by_curve_key.get(curve_key)

    def member(self, node: NodeId) -> MemberCertificate | None:
        return self._members.get(node)

    # ---- what changes it ---------------------------------------------------------------------------------------

    def merge(self, certificates: Iterable[bytes], revocations: Iterable[bytes]) -> bool:
        """Verify and add what a peer shared; whether anything was new. What does not verify is left out and logged."""
        new_certificates = self._verified(certificates, self._kept.certificates, self._read_certificate)
        new_revocations = self._verified(revocations, self._kept.revocations, self._read_revocation)
        if not new_certificates and not new_revocations:
            return False
        kept = msgspec.structs.replace(
            self._kept,
            certificates=self._kept.certificates + new_certificates,
            revocations=self._kept.revocations + new_revocations,
        )
        if len(kept.certificates) > CERTIFICATES_MAX or len(kept.revocations) > CERTIFICATES_MAX:
            log.warning("the roster is full (%d certificates): nothing was added", CERTIFICATES_MAX)
            return False
        self._replace(kept)
        return True

    def admit(self, device_key: bytes, curve_key: bytes, key_bind: bytes, name: str, roles: tuple[Role, ...]) -> None:
        """Certify a device. Raises LocalError if this node may not, RemoteError if the device's key bind is forged."""
        root = self._root()
        if not signed_by(device_key, key_bind, key_bind_bytes(device_key, curve_key)):
            raise RemoteError("The device that wants to join did not sign its own keys; nothing was given to it.")
        earlier = [own.serial for own in map(self._read_certificate, self.certificates) if own.device_key == device_key]
        certificate = MemberCertificate(
            cluster=self.cluster,
            device_key=device_key,
            curve_key=curve_key,
            key_bind=key_bind,
            name=name,
            roles=roles,
            serial=max(earlier, default=0) + 1,
        )
        if certificate.node in self._revoked:
            raise LocalError("This device was revoked, which is for ever; let it make a new identity and join again.")
        if len(self._members) >= MEMBERS_MAX:
            raise LocalError(f"The cluster has {MEMBERS_MAX} members, which is its limit; revoke one that is gone.")
        self.merge([_sign(root, certificate, certificate_bytes)], [])

    def revoke(self, node: NodeId) -> None:
        """Shut a member out, for ever."""
        root = self._root()
        if node not in self._members:
            raise LocalError(f"{node} is not a member of this cluster; see `peerd peers`.")
        if node == self._me.node:
            raise LocalError("This node keeps the root key and can not revoke itself.")
        self.merge([], [_sign(root, Revocation(cluster=self.cluster, node=node), revocation_bytes)])

    def find(self, device: str) -> NodeId:
        """The member that a person means by a name, an id, or the beginning of one. Raises LocalError."""
        plain = device.strip().upper().replace("-", "")
        named = [node for node, member in self._members.items() if member.name == device.strip()]
        begun = [node for node in self._members if plain and node.replace("-", "").startswith(plain)]
        found = sorted({*named, *(begun if len(plain) >= ID_BLOCK else [])})
        if not found and begun:
            raise LocalError(
                f"{device!r} is too little of an id for what can't be taken back; give {ID_BLOCK} of its letters or "
                f"more: {', '.join(sorted(begun))}."
            )
        if not found:
            raise LocalError(f"No member is called {device!r}, or has an id that begins so; see `peerd peers --json`.")
        if len(found) > 1:
            raise LocalError(f"{len(found)} members are called {device!r}; give the id: {', '.join(found)}.")
        return found[0]

    def leave(self, name: str) -> None:
        """Forget the cluster, and found one with this node alone. Raises LocalError if it is alone already."""
        if self.alone:
            raise LocalError("This node is in no cluster with others; there is nothing to leave.")
        self._replace(_found(self._me, name[:NAME_CHARS_MAX]))

    def adopt(self, keys: ClusterKeys, certificates: Iterable[bytes], revocations: Iterable[bytes]) -> None:
        """Replace this node's own one-member cluster by the one it was let into, in one step."""
        self.must_be_alone()
        candidate = Roster(self._path, self._me, _Kept(keys.root_key, b"", keys.discovery_secret, (), ()))
        new_certificates = candidate._verified(certificates, (), candidate._read_certificate)
        new_revocations = candidate._verified(revocations, (), candidate._read_revocation)
        kept = _Kept(keys.root_key, b"", keys.discovery_secret, new_certificates, new_revocations)
        candidate._take(kept)
        own = candidate.member(self._me.node)
        if own is None or own.curve_key != self._me.curve_key:
            raise RemoteError("The inviter sent no valid certificate for this device; ask for a new invitation.")
        self._replace(kept)

    def must_be_alone(self) -> None:
        if not self.alone:
            others = ", ".join(sorted(self._members[node].name for node in self.members - {self._me.node}))
            raise LocalError(f"This node is already in a cluster with {others}; only a node that is alone may join.")

    def must_be_admin(self) -> None:
        if not self.is_admin:
            who = " or ".join(self.admins) or "the device that founded the cluster"
            raise LocalError(f"This node may not let others in; run the command on {who}, which keeps the root key.")

    # ---- the sets ----------------------------------------------------------------------------------------------

    def _verified(
        self, proofs: Iterable[bytes], known: tuple[bytes, ...], read_proof: "_ReadProof"
    ) -> tuple[bytes, ...]:
        new: dict[bytes, None] = {}
        for proof in proofs:
            if proof in known:
                continue
            try:
                read_proof(proof)
            except FrameError as error:
                log.warning("left out of the roster: %s", error)
                continue
            new[proof] = None
        return tuple(new)

    def _read_certificate(self, proof: bytes) -> MemberCertificate:
        signed = self._signed_by_root(proof, certificate_bytes)
        certificate = read(signed.body, MemberCertificate, len(signed.body))
        bind = key_bind_bytes(certificate.device_key, certificate.curve_key)
        if not signed_by(certificate.device_key, certificate.key_bind, bind):
            raise FrameError("A certificate whose device did not sign its CURVE key.")
        if certificate.cluster != self.cluster:
            raise FrameError("A certificate of another cluster.")
        return certificate

    def _read_revocation(self, proof: bytes) -> Revocation:
        signed = self._signed_by_root(proof, revocation_bytes)
        revocation = read(signed.body, Revocation, len(signed.body))
        if revocation.cluster != self.cluster:
            raise FrameError("A revocation of another cluster.")
        return revocation

    def _signed_by_root(self, proof: bytes, statement: "_Statement") -> Signed:
        signed = read_signed(proof)
        if not signed_by(self._kept.root_key, signed.signature, statement(signed.body)):
            raise FrameError("A proof that the cluster's root key did not sign.")
        return signed

    def _root(self) -> Ed25519PrivateKey:
        self.must_be_admin()
        return Ed25519PrivateKey.from_private_bytes(self._kept.root_secret)

    def _replace(self, kept: _Kept) -> None:
        before = self._kept
        self._take(kept)
        try:
            self._save()
        except LocalError:
            self._take(before)
            raise

    def _take(self, kept: _Kept) -> None:
        """Hold these sets, and work out the members from them."""
        self._kept = kept
        self._digest = roster_digest(kept.certificates, kept.revocations)
        self._revoked = {NodeId(self._read_revocation(proof).node) for proof in kept.revocations}
        self._members: dict[NodeId, MemberCertificate] = {}
        held = sorted(map(self._read_certificate, kept.certificates), key=lambda each: (each.serial, each.curve_key))
        for certificate in held:
            if certificate.node not in self._revoked:
                self._members[certificate.node] = certificate
        self._by_curve_key = {member.curve_key: node for node, member in self._members.items()}

    def _save(self) -> None:
        body = msgspec.msgpack.encode(self._kept)
        if len(body) > FILE_BYTES_MAX:
            raise LocalError("The roster is too large to be kept; revoke nobody more and found a new cluster.")
        write_secret(self._path, _KIND, body)


def names_in(folder: Path) -> dict[NodeId, str]:
    """What the members are called whom the roster in this folder knows; nobody where it can not be read."""
    if not all((folder / name).exists() for name in (FILE_NAME, IDENTITY_FILE_NAME)):
        return {}
    try:
        roster = Roster.load_or_found(folder, Identity.load_or_make(folder), "")
    except LocalError:
        return {}
    return {node: readable(member.name) for node, member in roster._members.items()}


_ReadProof = Callable[[bytes], object]
_Statement = Callable[[bytes], bytes]


def _found(identity: Identity, name: str) -> _Kept:
    """A new cluster: a fresh root key, and one certificate that it signs for this device."""
    root = Ed25519PrivateKey.generate()
    root_key = root.public_key().public_bytes_raw()
    certificate = MemberCertificate(
        cluster=cluster_id(root_key),
        device_key=identity.device_key,
        curve_key=identity.curve_key,
        key_bind=identity.key_bind,
        name=name,
        roles=ALL_ROLES,
        serial=1,
        admin=True,
    )
    proof = _sign(root, certificate, certificate_bytes)
    return _Kept(root_key, root.private_bytes_raw(), secrets.token_bytes(32), (proof,), ())


def _sign(root: Ed25519PrivateKey, statement: MemberCertificate | Revocation, domain: _Statement) -> bytes:
    body = pack(statement)
    return pack(Signed(body, root.sign(domain(body))))
