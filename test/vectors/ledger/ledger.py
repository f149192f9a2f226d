"""Events and logs of the evaluation ledger, verified by code that shares nothing with the package.

Python's standard library only. Written from docs/ledger.md, RFC 8032, RFC 8785, RFC 6962 and C2SP.

  python3 ledger.py directory DIR LEDGER   verifies every event, the chain and all roots of a ledger's files
  python3 ledger.py entries LEDGER         reads JSON lines { entry, previous } and prints a verdict for each
"""
import base64
import hashlib
import json
import re
import struct
import sys
from pathlib import Path


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# Ed25519, RFC 8032 section 5.1, on extended coordinates.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    c = 2 * a[3] * b[3] * D % P
    d = 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(k, point):
    result = (0, 1, 1, 0)
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decode(data: bytes):
    """A point, None where the encoding is not the canonical one of a point."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT % P
        if (v * x * x - u) % P:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def encode(point) -> bytes:
    z = pow(point[2], P - 2, P)
    x, y = point[0] * z % P, point[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
NEUTRAL = (0, 1, 1, 0)


def secret_of(seed: bytes):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    return a, h[32:]


def public_key(seed: bytes) -> bytes:
    return encode(times(secret_of(seed)[0], BASE))


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def sign(seed: bytes, message: bytes) -> bytes:
    a, prefix = secret_of(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    point = encode(times(r, BASE))
    s = (r + challenge(point, public_key(seed), message) * a) % L
    return point + s.to_bytes(32, "little")


def verify(signature: bytes, message: bytes, key: bytes) -> bool:
    """Strictly: S below the order, A and R canonical and of the prime order's subgroup, no cofactor."""
    if len(signature) != 64 or len(key) != 32:
        return False
    a, r = decode(key), decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    if same(times(8, a), NEUTRAL) or same(times(8, r), NEUTRAL):
        return False
    if not same(times(L, a), NEUTRAL) or not same(times(L, r), NEUTRAL):
        return False
    k = challenge(signature[:32], key, message)
    return same(times(s, BASE), add(r, times(k, a)))


# Canonical JSON, RFC 8785, of what events hold: texts, integers, booleans, null, lists, objects.
class Malformed(Exception):
    pass


def pairs(items):
    found = dict(items)
    if len(found) != len(items):
        raise Malformed("a member is there twice")
    return found


def refuse(_):
    raise Malformed("a number that events do not have")


def parse(data: bytes):
    try:
        return json.loads(
            data.decode("utf-8", "strict"), object_pairs_hook=pairs, parse_constant=refuse, parse_float=refuse
        )
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error


SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def text(value: str) -> str:
    value.encode("utf-8", "strict")  # No lone surrogate.
    return '"' + "".join(SHORT.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in value) + '"'


def canonical(value) -> str:
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        if abs(value) > 2**53 - 1:
            raise Malformed("an integer beyond 2^53 - 1")
        return str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{text(name)}:{canonical(value[name])}" for name in names) + "}"
    raise Malformed("no JSON")


def jcs(value) -> bytes:
    return canonical(value).encode()


# Events.
MEMBERS = ["current_hash", "event_id", "key_id", "payload", "previous_hash", "public_key", "schema_version"]
MEMBERS += ["signature", "timestamp"]
HEADER = ["domain", "event_id", "key_id", "ledger", "occurred_at", "schema_version"]
DOMAINS = ["agents", "audit", "context", "decisions"]
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
VERSION = re.compile(r"([a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+)/([1-9][0-9]{0,4})")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{3}Z")
HEX = re.compile(r"[0-9a-f]{64}")


def is_time(value) -> bool:
    found = isinstance(value, str) and value.isascii() and TIME.fullmatch(value)
    if not found:
        return False
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return 1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second < 60


def key_id(key: bytes) -> str:
    return "sha256:" + sha256(key).hex()


def event_hash(payload, previous: str) -> str:
    return sha256(jcs(payload) + bytes.fromhex(previous)).hex()


def from_base64(value: str, length: int):
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return data if len(data) == length and base64.b64encode(data).decode() == value else None


def verify_event(entry: bytes, ledger: str, previous=None) -> str:
    """The check that fails, or "valid". `previous` is the event before, "none", or None for not looked at."""
    try:
        if len(entry) > 65_535:
            return "canonical"
        event = parse(entry)
        if jcs(event) != entry or not isinstance(event, dict) or sorted(event) != MEMBERS:
            return "canonical"
    except (Malformed, UnicodeError, RecursionError):
        return "canonical"
    payload = event["payload"]
    if not isinstance(payload, dict) or not all(isinstance(event[n], str) for n in MEMBERS if n != "payload"):
        return "canonical"
    ets = payload.get("ets")
    if not isinstance(ets, dict) or sorted(ets) != HEADER:
        return "header"
    if not all(isinstance(ets[name], str) for name in HEADER):
        return "header"
    version = VERSION.fullmatch(ets["schema_version"])
    good = (
        version
        and payload.get("type") == version[1]
        and ets["domain"] in DOMAINS
        and is_time(ets["occurred_at"])
        and UUID7.fullmatch(ets["event_id"])
        and re.fullmatch("sha256:[0-9a-f]{64}", ets["key_id"])
        and ets["ledger"] == ledger
        and all(event[name] == ets[name] for name in ["event_id", "schema_version", "key_id"])
        and is_time(event["timestamp"])
    )
    if not good:
        return "header"
    key = from_base64(event["public_key"], 32)
    if key is None or key_id(key) != event["key_id"]:
        return "key_id"
    if not HEX.fullmatch(event["previous_hash"]):
        return "hash"
    if event_hash(payload, event["previous_hash"]) != event["current_hash"]:
        return "hash"
    signature = from_base64(event["signature"], 64)
    if signature is None or not verify(signature, bytes.fromhex(event["current_hash"]), key):
        return "signature"
    if previous is not None:
        expected = "0" * 64 if previous == "none" else previous["current_hash"]
        if event["previous_hash"] != expected:
            return "chain"
        if previous != "none" and event["timestamp"] < previous["timestamp"]:
            return "chain"
    return "valid"


# Logs, RFC 6962 section 2.1 and C2SP tlog-tiles.
def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry)


def root_of(hashes) -> bytes:
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + root_of(hashes[:half]) + root_of(hashes[half:]))


def encoded(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def meta_root(checkpoint_event_id: str, domains) -> str:
    message = encoded(b"1") + encoded(checkpoint_event_id.encode()) + struct.pack(">I", len(domains))
    for name, size, root in sorted(domains):
        message += encoded(name.encode()) + struct.pack(">Q", size) + encoded(root)
    return sha256(message).hex()


def key_proof(ledger: str, event_id: str, old, new: str) -> bytes:
    return sha256(f"ets.key.proof/1\n{ledger}\n{event_id}\n{old or '-'}\n{new}\n".encode())


def note_key(name: str, key: bytes) -> str:
    identity = sha256(name.encode() + b"\n\x01" + key)[:4].hex()
    return f"{name}+{identity}+{base64.b64encode(bytes([1]) + key).decode()}"


def entries_of(log: Path, size: int):
    found = []
    for first in range(0, size, 256):
        width = min(256, size - first)
        number = f"{first // 256:03d}" if first // 256 < 1000 else None
        if number is None:
            raise Malformed("more entries than this script reads")
        path = log / "tile/entries" / (number if width == 256 else f"{number}.p/{width}")
        data = path.read_bytes()
        while data:
            length = struct.unpack(">H", data[:2])[0]
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
    return found


def read_log(directory: Path, ledger: str, name: str):
    note = (directory / name / "checkpoint").read_text()
    origin, size, root = note.split("\n")[:3]
    entries = entries_of(directory / name, int(size))
    found = root_of([leaf_hash(entry) for entry in entries])
    if origin != f"{ledger}/{name}" or len(entries) != int(size) or base64.b64encode(found).decode() != root:
        raise Malformed(f"{name}: root, size or origin")
    return entries, int(size), found


def verify_directory(directory: Path, ledger: str) -> int:
    logs = {name: read_log(directory, ledger, name) for name in DOMAINS}
    events = {}
    for entries, _, _ in logs.values():
        for entry in entries:
            event = parse(entry)
            events[event["previous_hash"]] = entry
    previous, count = "none", 0
    at = "0" * 64
    while at in events:
        entry = events.pop(at)
        verdict = verify_event(entry, ledger, previous)
        if verdict != "valid":
            raise Malformed(f"event {count}: {verdict}")
        previous = parse(entry)
        at = previous["current_hash"]
        count += 1
    if events:
        raise Malformed(f"{len(events)} events are not in the chain")
    records, _, _ = read_log(directory, ledger, "meta")
    record = parse(records[-1])
    cut = [(row["name"], int(row["size"]), bytes.fromhex(row["root"])) for row in record["domains"]]
    if meta_root(record["checkpoint_event_id"], cut) != record["meta_root"]:
        raise Malformed("the newest record of the meta log has another root")
    for name, size, root in cut:
        if root_of([leaf_hash(entry) for entry in logs[name][0][:size]]) != root:
            raise Malformed(f"the record names another root of {name}")
    return count


if __name__ == "__main__":
    if sys.argv[1] == "directory":
        print(f"ok {verify_directory(Path(sys.argv[2]), sys.argv[3])}")
    else:
        for line in sys.stdin:
            case = json.loads(line)
            print(verify_event(base64.b64decode(case["entry"]), sys.argv[2], case["previous"]))
