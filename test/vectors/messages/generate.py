#!/usr/bin/env python3
"""Writes the vectors of this folder. Python's standard library only: keccak-256, ABI encoding, BN254
and the state tree are written here from their definitions and share nothing with the package."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# --- keccak-256 (Keccak team reference; padding 0x01) ---
ROUND = [0x1, 0x8082, 0x800000000000808A, 0x8000000080008000, 0x808B, 0x80000001, 0x8000000080008081,
         0x8000000000008009, 0x8A, 0x88, 0x80008009, 0x8000000A, 0x8000808B, 0x800000000000008B,
         0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x800A,
         0x800000008000000A, 0x8000000080008081, 0x8000000000008080, 0x80000001, 0x8000000080008008]
MASK = (1 << 64) - 1


def rotl(v, n):
    n %= 64
    return ((v << n) | (v >> (64 - n))) & MASK if n else v


def permute(a):
    for rc in ROUND:
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[(x - 1) % 5] ^ rotl(c[(x + 1) % 5], 1) for x in range(5)]
        a = [[a[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        x, y, cur = 1, 0, a[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            cur, a[x][y] = a[x][y], rotl(cur, (t + 1) * (t + 2) // 2)
        for y in range(5):
            row = [a[x][y] for x in range(5)]
            for x in range(5):
                a[x][y] = row[x] ^ (~row[(x + 1) % 5] & MASK & row[(x + 2) % 5])
        a[0][0] ^= rc
    return a


def keccak(data):
    rate = 136
    padded = bytearray(data) + b"\x01" + b"\x00" * ((-len(data) - 1) % rate)
    padded[-1] |= 0x80
    a = [[0] * 5 for _ in range(5)]
    for block in range(0, len(padded), rate):
        for i in range(rate // 8):
            a[i % 5][i // 5] ^= int.from_bytes(padded[block + 8 * i:block + 8 * i + 8], "little")
        a = permute(a)
    return b"".join(a[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"

# --- ABI encoding ---
# Types: 'uint', 'address', 'bytes32', 'bytes', ('array', t), ('fixed', t, n), ('tuple', [t, ...]).


def dynamic(t):
    if t == "bytes":
        return True
    if isinstance(t, str):
        return False
    if t[0] == "array":
        return True
    return dynamic(t[1]) if t[0] == "fixed" else any(dynamic(x) for x in t[1])


def size(t):
    if isinstance(t, str):
        return 32
    return t[2] * size(t[1]) if t[0] == "fixed" else sum(size(x) for x in t[1])


def enc(t, v):
    if t == "uint":
        return int(v).to_bytes(32, "big")
    if t == "address":
        assert len(v) == 20
        return b"\x00" * 12 + v
    if t == "bytes32":
        assert len(v) == 32
        return v
    if t == "bytes":
        return len(v).to_bytes(32, "big") + v + b"\x00" * (-len(v) % 32)
    if t[0] == "array":
        return len(v).to_bytes(32, "big") + enc_seq([t[1]] * len(v), v)
    if t[0] == "fixed":
        return enc_seq([t[1]] * t[2], v)
    return enc_seq(t[1], v)


def enc_seq(types, values):
    assert len(types) == len(values), (types, values)
    head_size = sum(32 if dynamic(t) else size(t) for t in types)
    head, tail = b"", b""
    for t, v in zip(types, values):
        body = enc(t, v)
        if dynamic(t):
            head += (head_size + len(tail)).to_bytes(32, "big")
            tail += body
        else:
            head += body
    return head + tail


abi = enc_seq

# --- BN254 ---
P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
B2 = None


class F2:
    """a + b*i with i*i = -1"""

    def __init__(self, a, b):
        self.a, self.b = a % P, b % P

    def __add__(s, o):
        return F2(s.a + o.a, s.b + o.b)

    def __sub__(s, o):
        return F2(s.a - o.a, s.b - o.b)

    def __mul__(s, o):
        return F2(s.a * o.a - s.b * o.b, s.a * o.b + s.b * o.a)

    def inv(s):
        n = pow(s.a * s.a + s.b * s.b, P - 2, P)
        return F2(s.a * n, -s.b * n)

    def __eq__(s, o):
        return s.a == o.a and s.b == o.b


class F1:
    def __init__(self, a):
        self.a = a % P

    def __add__(s, o):
        return F1(s.a + o.a)

    def __sub__(s, o):
        return F1(s.a - o.a)

    def __mul__(s, o):
        return F1(s.a * o.a)

    def inv(s):
        return F1(pow(s.a, P - 2, P))

    def __eq__(s, o):
        return s.a == o.a


def add(p, q):
    if p is None:
        return q
    if q is None:
        return p
    if p[0] == q[0]:
        if not p[1] == q[1]:
            return None
        three = p[0] * p[0] + p[0] * p[0] + p[0] * p[0]
        m = three * (p[1] + p[1]).inv()
    else:
        m = (q[1] - p[1]) * (q[0] - p[0]).inv()
    x = m * m - p[0] - q[0]
    return (x, m * (p[0] - x) - p[1])


def mul(p, n):
    out = None
    while n:
        if n & 1:
            out = add(out, p)
        p = add(p, p)
        n >>= 1
    return out


def neg(p):
    zero = F1(0) if isinstance(p[1], F1) else F2(0, 0)
    return (p[0], zero - p[1])


G1 = (F1(1), F1(2))
G2 = (F2(10857046999023057135944570762232829481370756359578518086990519993285655852781,
         11559732032986387107991004021392285783925812861821192530917403151452391805634),
      F2(8495653923123431417604973247489272438418190587263600148770280649306958101930,
         4082367875863433681332203403145435568316851327593401208105741076214120093531))
assert mul(G1, R) is None and mul(G2, R) is None


def hash_to_g1(h):
    x = int.from_bytes(h, "big") % P
    while True:
        beta = (x * x * x + 3) % P
        y = pow(beta, (P + 1) // 4, P)
        if y * y % P == beta:
            return (F1(x), F1(y))
        x = (x + 1) % P


def g1_words(p):
    return (0, 0) if p is None else (p[0].a, p[1].a)


def g2_words(p):
    """Imaginary parts first."""
    return ([0, 0], [0, 0]) if p is None else ([p[0].b, p[0].a], [p[1].b, p[1].a])


G1T = ("tuple", ["uint", "uint"])
G2T = ("tuple", [("fixed", "uint", 2), ("fixed", "uint", 2)])
INFO = ("tuple", [G1T, ("array", "uint")])
WITNESS = ("tuple", ["uint", "bytes", INFO])
CERT = ("tuple", ["uint", "bytes32", G1T, G2T, ("array", WITNESS)])
INTENT = ("tuple", ["address", "address", "uint", "bytes", "uint", "bytes"])
TASK = ("tuple", ["uint", "address", "address", INTENT, "bytes", "uint", "bytes32", "uint"])
RESPONSE = ("tuple", ["uint", "address", "bytes32", "address", "bytes32", "bytes32", "bytes32",
                      "bytes32", "bytes32", "bytes", "uint", "bytes32", "uint", "uint"])
COMMIT = ("tuple", ["uint", "uint", "bytes32", "bytes32", "uint", "bytes32", "bytes32"])

# --- Messages ---
CERT_TYPEHASH = keccak(b"BN254Certificate(uint32 referenceTimestamp,bytes32 messageHash)")
INTENT_TYPEHASH = keccak(b"Intent(address from,address to,uint256 value,bytes data,uint256 chainId,"
                         b"bytes functionSignature)")


def signable(ts, message):
    return keccak(abi(["bytes32", "uint", "bytes32"], [CERT_TYPEHASH, ts, message]))


def intent_hash(i):
    return keccak(abi(["bytes32", "address", "address", "uint", "bytes32", "uint", "bytes32"],
                      [INTENT_TYPEHASH, i[0], i[1], i[2], keccak(i[3]), i[4], keccak(i[5])]))


def task_id(t):
    return keccak(abi(["bytes32", TASK], [keccak(b"NewtonPolicyTaskV1"), t]))


def message_hash(r):
    return keccak(abi(["bytes32", RESPONSE], [keccak(b"NewtonPolicyTaskResponseV1"), r]))


def word(n):
    return n.to_bytes(32, "big")


def label(name):
    return keccak(name.encode())


def account(name):
    return label(name)[12:]


def hexs(v):
    if isinstance(v, (bytes, bytearray)):
        return "0x" + v.hex()
    if isinstance(v, (list, tuple)):
        return [hexs(x) for x in v]
    return str(v) if isinstance(v, int) else v


def point1(p):
    x, y = g1_words(p)
    return {"X": str(x), "Y": str(y)}


def point2(p):
    x, y = g2_words(p)
    return {"X": [str(v) for v in x], "Y": [str(v) for v in y]}


def write(name, value):
    with open(os.path.join(HERE, name), "w") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def named(names, values):
    return {n: (v if isinstance(v, dict) else hexs(v)) for n, v in zip(names, values)}


INTENT_NAMES = ["from", "to", "value", "data", "chainId", "functionSignature"]
TASK_NAMES = ["chainId", "policyRegistry", "policyClient", "intent", "wasmArgs", "referenceBlock",
              "referenceBlockHash", "nonce"]
RESPONSE_NAMES = ["chainId", "policyRegistry", "taskId", "policyClient", "intentHash",
                  "policyInstanceId", "artifactDigest", "inputsHash", "pcr0Commitment",
                  "evaluationResult", "referenceBlock", "referenceBlockHash", "referenceTimestamp",
                  "expirationBlock"]
DATA_NAMES = ["policyDataInstanceId", "policyDataTemplateId", "wasmHash",
              "policyDataParamsSchemaHash", "secretsSchemaHash", "dataParamsHash"]


def digest_words(chain_id, n, reference, expiration, pcr0):
    head = [word(chain_id)] + [label(s) for s in
                               ["instance", "template", "rego", "params schema", "params"]]
    data = [[label(f"data {i} {name}") for name in DATA_NAMES] for i in range(n)]
    words = head + [word(reference), word(expiration)] + [w for d in data for w in d]
    if pcr0 != bytes(32):
        words.append(pcr0)
    return head, data, b"".join(words)


def messages():
    cases = []
    specs = [
        ("plain", 31337, 0, b"", b"", bytes(32), word(1), b"", 100, 0),
        ("one data instance", 1, 1, bytes.fromhex("a9059cbb") + word(7) + word(8),
         b"transfer(address,uint256)", bytes(32), word(0), b'{"a":1}', 21_000_000, 2**64 - 1),
        ("enclave, two data instances", 2**256 - 1, 2, b"\x00" * 33,
         b"function f(uint256 x)", keccak(b"\x11" * 48), word(1), b"{}", 2**64 - 1, 5),
        ("32 data instances, string result", 84532, 32, b"x" * 31, b"",
         bytes(32), word(32) + word(4) + b"true".ljust(32, b"\x00"), b"", 1, 1),
    ]
    for name, chain, n, data, sig, pcr0, result, args, ref, nonce in specs:
        expiration = min(ref + 600, 2**64 - 1)
        intent = [account("from"), account("to"), 10**18, data, chain, sig]
        task = [chain, account("registry"), account("client"), intent, args, ref,
                label(f"block {ref}"), nonce]
        head, rows, preimage = digest_words(chain, n, ref, expiration, pcr0)
        response = [chain, account("registry"), task_id(task), account("client"),
                    intent_hash(intent), head[1], keccak(preimage), label("inputs"), pcr0, result,
                    ref, label(f"block {ref}"), 1_750_000_000, expiration]
        message = message_hash(response)
        cases.append({
            "name": name,
            "task": named(TASK_NAMES, task[:3] + [named(INTENT_NAMES, intent)] + task[4:]),
            "taskEncoded": hexs(abi([TASK], [task])),
            "intentEncoded": hexs(abi([INTENT], [intent])),
            "taskId": hexs(task_id(task)),
            "intentHash": hexs(intent_hash(intent)),
            "digest": {
                "chainId": str(chain), "policyInstanceId": hexs(head[1]),
                "policyTemplateId": hexs(head[2]), "regoHash": hexs(head[3]),
                "policyParamsSchemaHash": hexs(head[4]), "paramsHash": hexs(head[5]),
                "referenceBlock": str(ref), "expirationBlock": str(expiration),
                "data": [named(DATA_NAMES, d) for d in rows], "pcr0Commitment": hexs(pcr0),
            },
            "digestPreimage": hexs(preimage),
            "artifactDigest": hexs(keccak(preimage)),
            "response": named(RESPONSE_NAMES, response),
            "responseEncoded": hexs(abi([RESPONSE], [response])),
            "messageHash": hexs(message),
            "signable": hexs(signable(1_750_000_000, message)),
            "documentHash": hexs(label("document")),
            "teeDocumentHash": hexs(keccak(abi(["bytes32", "bytes32", "bytes32"], [
                keccak(b"NewtonTeeDocumentV1"), message, label("document")]))),
        })
    true = b"true".ljust(32, b"\x00")
    results = [
        (word(1), True), (word(0), False), (word(2), False), (b"", False), (b"\x01", False),
        (b"\x00" * 31 + b"\x01" + b"\x00", False), (b"true", False), (true, False),
        (word(32) + word(4) + true, True), (word(0) + word(4) + true, True),
        (word(32) + word(4) + true + b"\xff", True), (word(32) + word(5) + true, False),
        (word(32) + word(4) + b"TRUE".ljust(32, b"\x00"), False),
        (word(32) + word(4) + b"true".ljust(32, b"\x01"), False),
        (word(32) + word(5) + b"false".ljust(32, b"\x00"), False),
        (word(32) + word(4) + b"deny".ljust(32, b"\x00"), False),
        ((word(32) + word(4) + true)[:95], False), (word(1) + word(1), False),
        (b"\xff" * 32, False), (b"\x01" + b"\x00" * 31, False),
    ]
    write("messages.json", {"cases": cases, "results": [
        {"result": hexs(r), "allow": a} for r, a in results]})


def state_commits():
    names = ["version", "sequenceNo", "prevStateRoot", "newStateRoot", "timestamp", "daCertHash",
             "pcr0Commitment"]
    cases = []
    base = [1, 1, bytes(32), b"\x11" * 32, 1_750_000_000, b"\x22" * 32, b"\x33" * 32]
    for name, commit, chain in [
        ("the deployed contract's", base, 1),
        ("version 2", [2] + base[1:], 31337),
        ("version 2, all large", [2, 2**64 - 1, b"\xff" * 32, b"\xfe" * 32, 2**64 - 1, bytes(32),
                                  b"\xfd" * 32], 2**256 - 1),
    ]:
        registry = account("state commits")
        if commit[0] == 1:
            message = keccak(abi([COMMIT], [commit]))
        else:
            message = keccak(abi(["bytes32", "uint", "address", "uint", COMMIT], [
                keccak(b"NewtonStateCommitV2"), chain, registry, 0, commit]))
        cases.append({
            "name": name, "chainId": str(chain), "registry": hexs(registry), "operatorSetId": 0,
            "commit": named(names, commit), "commitEncoded": hexs(abi([COMMIT], [commit])),
            "messageHash": hexs(message), "referenceTimestamp": 1_750_000_000,
            "signable": hexs(signable(1_750_000_000, message)),
        })
    assert cases[0]["messageHash"] == \
        "0x39e539b3143406576c94519b849eaa051207fd81a53d84823d10e47ec0fcfec0"
    assert cases[0]["signable"] == \
        "0x2f2c81b5a759b8fe41855f89e28ea10fb19f5dafd741b447f59f01c55cfaf1fa"
    locators = [b"\x05", b"\x04https://example.org/delta", b""]
    delta = label("delta")
    announcement = {"deltaHash": hexs(delta), "locators": hexs(locators), "daCertHash": hexs(
        keccak(delta + b"".join(keccak(x) for x in locators)))}
    write("stateCommits.json", {"cases": cases, "announcement": announcement})


def hashes():
    inputs = [bytes(32), b"\xff" * 32, word(1), word(P), word(P - 1)]
    inputs += [label(f"point {i}") for i in range(40)]
    write("hashToG1.json", {"cases": [
        {"hash": hexs(h), **point1(hash_to_g1(h))} for h in inputs]})


def leaf(info):
    return keccak(b"\x75" + abi([INFO], [info]))


def levels(leaves):
    width = 1
    while width < len(leaves):
        width *= 2
    rows = [leaves + [bytes(32)] * (width - len(leaves))]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append([keccak(row[i] + row[i + 1]) for i in range(0, len(row), 2)])
    return rows


def witness(rows, infos, index):
    proof, at = b"", index
    for row in rows[:-1]:
        proof += row[at ^ 1]
        at //= 2
    return [index, proof, infos[index]]


def certificates():
    chain, verifier = 31337, account("verifier")
    names = sorted((account(f"operator {i}") for i in range(5)))
    keys = []
    for i, operator in enumerate(names):
        sk = int.from_bytes(label(f"bls key {i}"), "big") % R
        pk1, pk2 = mul(G1, sk), mul(G2, sk)
        digest = keccak(abi(["bytes32", "uint", "address", "address", G1T, G2T], [
            keccak(b"NewtonBN254ProofOfPossessionV1"), chain, verifier, operator,
            list(g1_words(pk1)), list(g2_words(pk2))]))
        keys.append({"sk": sk, "pk1": pk1, "pk2": pk2, "digest": digest,
                     "pop": mul(hash_to_g1(digest), sk), "operator": operator})
    weights = [[100, 1], [200, 1], [300, 1], [150, 1], [250, 1]]
    infos = [[list(g1_words(k["pk1"])), w] for k, w in zip(keys, weights)]
    rows = levels([leaf(i) for i in infos])
    aggregate = None
    for k in keys:
        aggregate = add(aggregate, k["pk1"])
    ts = 1_750_000_000
    message = label("message")
    cases = []
    for absent in [[], [0], [4], [0, 3], [0, 1, 2, 3]]:
        signers = [k for i, k in enumerate(keys) if i not in absent]
        apk = None
        for k in signers:
            apk = add(apk, k["pk2"])
        sig = mul(hash_to_g1(signable(ts, message)), sum(k["sk"] for k in signers) % R)
        witnesses = [witness(rows, infos, i) for i in absent]
        cert = [ts, message, list(g1_words(sig)), list(g2_words(apk)), witnesses]
        cases.append({
            "nonSigners": absent,
            "certificate": {
                "referenceTimestamp": ts, "messageHash": hexs(message),
                "signature": point1(sig), "apk": point2(apk),
                "nonSignerWitnesses": [{
                    "operatorIndex": w[0], "operatorInfoProof": hexs(w[1]),
                    "operatorInfo": {"pubkey": point1(keys[w[0]]["pk1"]),
                                     "weights": [str(x) for x in w[2][1]]}} for w in witnesses],
            },
            "encoded": hexs(abi([CERT], [cert])),
            "hash": hexs(keccak(abi([CERT], [cert]))),
            "signedWeights": [str(sum(w[j] for i, w in enumerate(weights) if i not in absent))
                              for j in range(2)],
            "signerWitnesses": [hexs(abi([WITNESS], [witness(rows, infos, i)]))
                                for i in range(5) if i not in absent],
        })
    write("certificates.json", {
        "chainId": chain, "verifier": hexs(verifier), "referenceTimestamp": ts,
        "messageHash": hexs(message), "signable": hexs(signable(ts, message)),
        "operators": [{
            "operator": hexs(k["operator"]), "secretKey": hexs(word(k["sk"])),
            "pkG1": point1(k["pk1"]), "pkG2": point2(k["pk2"]),
            "pubkeyHash": hexs(keccak(word(g1_words(k["pk1"])[0]) + word(g1_words(k["pk1"])[1]))),
            "possessionHash": hexs(k["digest"]), "possession": point1(k["pop"]),
            "weights": [str(x) for x in w], "leaf": hexs(rows[0][i]),
        } for i, (k, w) in enumerate(zip(keys, weights))],
        "table": {"operatorInfoTreeRoot": hexs(rows[-1][0]), "numOperators": 5,
                  "aggregatePubkey": point1(aggregate),
                  "totalWeights": [str(sum(w[j] for w in weights)) for j in range(2)]},
        "certificates": cases,
        "offSubgroup": point2(off_subgroup()),
    })


def sqrt2(v):
    """A square root in F2, or None. P = 3 mod 4: complex method."""
    if v.b == 0:
        r = pow(v.a, (P + 1) // 4, P)
        if r * r % P == v.a:
            return F2(r, 0)
        r = pow(-v.a % P, (P + 1) // 4, P)
        return F2(0, r) if r * r % P == -v.a % P else None
    n = (v.a * v.a + v.b * v.b) % P
    alpha = pow(n, (P + 1) // 4, P)
    if alpha * alpha % P != n:
        return None
    for s in (alpha, -alpha):
        delta = (v.a + s) * pow(2, P - 2, P) % P
        x = pow(delta, (P + 1) // 4, P)
        if x and x * x % P == delta:
            r = F2(x, v.b * pow(2 * x, P - 2, P))
            if r * r == v:
                return r
    return None


def off_subgroup():
    """A point of the twist outside the group of prime order."""
    b = F2(3, 0) * F2(9, 1).inv()
    assert G2[1] * G2[1] == G2[0] * G2[0] * G2[0] + b
    x = 1
    while True:
        y = sqrt2(F2(x, 0) * F2(x, 0) * F2(x, 0) + b)
        if y is not None and mul((F2(x, 0), y), R) is not None:
            return (F2(x, 0), y)
        x += 1


# --- State tree: compact proofs ---
PLACEHOLDER = b"SPARSE_MERKLE_PLACEHOLDER_HASH__"


def bit(k, i):
    return (k[i >> 3] >> (7 - (i & 7))) & 1


def tree_leaf(k, v):
    return keccak(b"JMT::LeafNode" + k + v)


def tree_root(pairs, depth=0):
    if not pairs:
        return PLACEHOLDER
    if len(pairs) == 1:
        return tree_leaf(*pairs[0])
    left = [p for p in pairs if not bit(p[0], depth)]
    right = [p for p in pairs if bit(p[0], depth)]
    return keccak(b"JMT::IntrnalNode" + tree_root(left, depth + 1) + tree_root(right, depth + 1))


def tree_proof(pairs, key):
    siblings, depth = [], 0
    while len(pairs) > 1:
        side = bit(key, depth)
        siblings.append(tree_root([p for p in pairs if bit(p[0], depth) != side], depth + 1))
        pairs = [p for p in pairs if bit(p[0], depth) == side]
        depth += 1
    other = pairs[0] if pairs and pairs[0][0] != key else (bytes(32), bytes(32))
    return compact(siblings[::-1], other)


def compact(siblings, other):
    present = sum(1 << i for i, s in enumerate(siblings) if s != PLACEHOLDER)
    return [len(siblings), present, [s for s in siblings if s != PLACEHOLDER], other[0], other[1]]


PROOF = ("tuple", ["uint", "uint", ("array", "bytes32"), "bytes32", "bytes32"])


def proof_json(p):
    return {"depth": p[0], "present": hexs(word(p[1])), "siblings": hexs(p[2]),
            "leafKeyHash": hexs(p[3]), "leafValueHash": hexs(p[4]),
            "encoded": hexs(abi([PROOF], [p]))}


def trees():
    out = []
    for n in [0, 1, 2, 3, 8, 40, 200]:
        artifacts = [(4 + i % 5, label(f"artifact {i}")) for i in range(n)]
        pairs = [(keccak(bytes([ns]) + h), h) for ns, h in artifacts]
        root = tree_root(pairs)
        included = [{"namespace": ns, "artifactHash": hexs(h),
                     "proof": proof_json(tree_proof(pairs, keccak(bytes([ns]) + h)))}
                    for ns, h in artifacts[:12]]
        absent = []
        for i in range(8):
            ns, h = 4 + i % 5, label(f"missing {i}")
            absent.append({"namespace": ns, "artifactHash": hexs(h), "proof": proof_json(
                tree_proof(pairs, keccak(bytes([ns]) + h)))})
        # The same hash under another namespace is another leaf.
        for ns, h in artifacts[:4]:
            ns = 4 + (ns - 4 + 1) % 5
            absent.append({"namespace": ns, "artifactHash": hexs(h), "proof": proof_json(
                tree_proof(pairs, keccak(bytes([ns]) + h)))})
        out.append({"size": n, "root": hexs(root), "included": included, "absent": absent})
    write("artifactProofs.json", {"trees": out})

    source = os.path.join(HERE, "..", "jmt", "proofs_keccak256.json")
    rows = []
    for tree in json.load(open(source))["trees"]:
        for kind in ["inclusion", "exclusion"]:
            for case in tree[kind]:
                key = bytes.fromhex(case["keyHash"])
                proof = case["proof"]
                siblings = [bytes.fromhex(s["hash"]) for s in proof["siblings"]]
                found = proof["leaf"]
                other = (bytes(32), bytes(32))
                if kind == "exclusion" and found:
                    other = (bytes.fromhex(found["keyHash"]), bytes.fromhex(found["valueHash"]))
                rows.append({
                    "size": tree["n"], "root": "0x" + tree["root"], "keyHash": hexs(key),
                    "valueHash": "0x" + found["valueHash"] if kind == "inclusion" else hexs(bytes(32)),
                    "included": kind == "inclusion",
                    "proof": proof_json(compact(siblings, other)),
                })
    write("compactProofs.json", {"proofs": rows})


if __name__ == "__main__":
    messages()
    state_commits()
    hashes()
    certificates()
    trees()
    print("written", file=sys.stderr)
