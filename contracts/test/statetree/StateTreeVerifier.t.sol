// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {StateTreeVerifier} from "../../src/statetree/StateTreeVerifier.sol";
import {Test} from "../base/Test.sol";

contract StateTreeHarness {
    function verifyArtifact(
        bytes32 root,
        uint8 namespace,
        bytes32 artifactHash,
        StateTreeVerifier.Proof calldata proof
    ) external pure returns (bool) {
        return StateTreeVerifier.verifyArtifact(root, namespace, artifactHash, proof);
    }

    function verifyAbsent(
        bytes32 root,
        uint8 namespace,
        bytes32 artifactHash,
        StateTreeVerifier.Proof calldata proof
    ) external pure returns (bool) {
        return StateTreeVerifier.verifyAbsent(root, namespace, artifactHash, proof);
    }

    function verifyKey(
        bytes32 root,
        bytes32 key,
        bytes32 value,
        StateTreeVerifier.Proof calldata proof
    ) external pure returns (bool) {
        return StateTreeVerifier._verifyKey(root, key, value, proof);
    }

    function verifyAbsentKey(bytes32 root, bytes32 key, StateTreeVerifier.Proof calldata proof)
        external
        pure
        returns (bool)
    {
        return StateTreeVerifier._verifyAbsentKey(root, key, proof);
    }
}

contract StateTreeVerifierTest is Test {
    bytes32 private constant PLACEHOLDER = "SPARSE_MERKLE_PLACEHOLDER_HASH__";

    struct Case {
        bytes32 root;
        uint8 namespace;
        bytes32 artifactHash;
        StateTreeVerifier.Proof proof;
    }

    StateTreeHarness private harness = new StateTreeHarness();
    Case[] private included;
    Case[] private absent;

    function setUp() public {
        string memory json = vm.readFile("test/vectors/messages/artifactProofs.json");
        for (uint256 t; t < 7; ++t) {
            string memory tree = string.concat(".trees[", vm.toString(t), "]");
            bytes32 root = vm.parseJsonBytes32(json, string.concat(tree, ".root"));
            _load(json, string.concat(tree, ".included["), root, included);
            _load(json, string.concat(tree, ".absent["), root, absent);
        }
        assertEq(included.length, 0 + 1 + 2 + 3 + 8 + 12 + 12);
        assertEq(absent.length, 8 * 7 + 0 + 1 + 2 + 3 + 4 * 3);
    }

    function _load(string memory json, string memory prefix, bytes32 root, Case[] storage into)
        private
    {
        for (uint256 i;; ++i) {
            string memory at = string.concat(prefix, vm.toString(i), "]");
            if (!vm.keyExistsJson(json, at)) return;
            into.push(
                Case({
                    root: root,
                    namespace: uint8(vm.parseJsonUint(json, string.concat(at, ".namespace"))),
                    artifactHash: vm.parseJsonBytes32(json, string.concat(at, ".artifactHash")),
                    proof: abi.decode(
                        vm.parseJsonBytes(json, string.concat(at, ".proof.encoded")),
                        (StateTreeVerifier.Proof)
                    )
                })
            );
        }
    }

    function test_verifyArtifact_vectors() public view {
        for (uint256 i; i < included.length; ++i) {
            assertTrue(_included(included[i]));
        }
        for (uint256 i; i < included.length; ++i) {
            assertFalse(_absent(included[i]));
        }
    }

    function test_verifyAbsent_vectors() public view {
        for (uint256 i; i < absent.length; ++i) {
            assertTrue(_absent(absent[i]));
        }
        for (uint256 i; i < absent.length; ++i) {
            assertFalse(_included(absent[i]));
        }
    }

    /// The proofs of the reference crate, in compact form.
    function test_crateProofs() public view {
        string memory json = vm.readFile("test/vectors/messages/compactProofs.json");
        uint256 count;
        uint256 inclusions;
        for (;; ++count) {
            string memory at = string.concat(".proofs[", vm.toString(count), "]");
            if (!vm.keyExistsJson(json, at)) break;
            StateTreeVerifier.Proof memory proof = abi.decode(
                vm.parseJsonBytes(json, string.concat(at, ".proof.encoded")),
                (StateTreeVerifier.Proof)
            );
            bytes32 root = vm.parseJsonBytes32(json, string.concat(at, ".root"));
            bytes32 key = vm.parseJsonBytes32(json, string.concat(at, ".keyHash"));
            bytes32 value = vm.parseJsonBytes32(json, string.concat(at, ".valueHash"));
            bool inTree = vm.parseJsonBool(json, string.concat(at, ".included"));
            if (inTree) ++inclusions;
            assertEq(harness.verifyKey(root, key, value, proof), inTree);
            assertEq(harness.verifyAbsentKey(root, key, proof), !inTree);
            assertFalse(harness.verifyKey(root, key, keccak256(abi.encode(value)), proof));
            assertFalse(harness.verifyKey(keccak256(abi.encode(root)), key, value, proof));
            assertFalse(harness.verifyAbsentKey(keccak256(abi.encode(root)), key, proof));
        }
        assertGt(inclusions, 30);
        assertGt(count - inclusions, 60);
    }

    /// @dev All cases of a file, column by column: the file is parsed once for each.
    struct Columns {
        bytes32[] roots;
        string[] claims;
        bool[] valid;
        uint256[] depths;
        bytes32[] leafKeyHashes;
        bytes32[] leafValueHashes;
    }

    function _columns(string memory json) private pure returns (Columns memory columns) {
        columns.roots = abi.decode(vm.parseJson(json, ".cases[*].root"), (bytes32[]));
        columns.claims = abi.decode(vm.parseJson(json, ".cases[*].claim"), (string[]));
        columns.valid = abi.decode(vm.parseJson(json, ".cases[*].valid"), (bool[]));
        columns.depths = abi.decode(vm.parseJson(json, ".cases[*].proof.depth"), (uint256[]));
        columns.leafKeyHashes =
            abi.decode(vm.parseJson(json, ".cases[*].proof.leafKeyHash"), (bytes32[]));
        columns.leafValueHashes =
            abi.decode(vm.parseJson(json, ".cases[*].proof.leafValueHash"), (bytes32[]));
        assertEq(columns.valid.length, columns.roots.length);
        assertEq(columns.depths.length, columns.roots.length);
    }

    function _proofAt(string memory json, Columns memory columns, uint256 i)
        private
        pure
        returns (StateTreeVerifier.Proof memory)
    {
        string memory at = string.concat(".cases[", vm.toString(i), "].proof");
        return StateTreeVerifier.Proof({
            depth: uint16(columns.depths[i]),
            present: vm.parseJsonUint(json, string.concat(at, ".present")),
            siblings: vm.parseJsonBytes32Array(json, string.concat(at, ".siblings")),
            leafKeyHash: columns.leafKeyHashes[i],
            leafValueHash: columns.leafValueHashes[i]
        });
    }

    function _claimsInclusion(Columns memory columns, uint256 i) private pure returns (bool) {
        return keccak256(bytes(columns.claims[i])) == keccak256("inclusion");
    }

    /// Well-formed and malformed proofs: the verdicts are those of TypeScript.
    function test_verdicts() public view {
        string memory json = vm.readFile("test/vectors/jmt-compact/proofs.json");
        Columns memory columns = _columns(json);
        bytes32[] memory keys = abi.decode(vm.parseJson(json, ".cases[*].keyHash"), (bytes32[]));
        bytes32[] memory values = abi.decode(vm.parseJson(json, ".cases[*].valueHash"), (bytes32[]));
        string[] memory names = abi.decode(vm.parseJson(json, ".cases[*].name"), (string[]));
        uint256 refused;
        for (uint256 i; i < keys.length; ++i) {
            StateTreeVerifier.Proof memory proof = _proofAt(json, columns, i);
            bool valid = _claimsInclusion(columns, i)
                ? harness.verifyKey(columns.roots[i], keys[i], values[i], proof)
                : harness.verifyAbsentKey(columns.roots[i], keys[i], proof);
            assertEq(valid, columns.valid[i], names[i]);
            if (!valid) ++refused;
        }
        assertGt(keys.length, 400);
        assertGt(refused, 100);
    }

    function test_verdicts_artifacts() public view {
        string memory json = vm.readFile("test/vectors/jmt-compact/artifacts.json");
        Columns memory columns = _columns(json);
        bytes32[] memory keys = abi.decode(vm.parseJson(json, ".cases[*].keyHash"), (bytes32[]));
        bytes32[] memory artifacts =
            abi.decode(vm.parseJson(json, ".cases[*].artifactHash"), (bytes32[]));
        uint256[] memory namespaces =
            abi.decode(vm.parseJson(json, ".cases[*].namespace"), (uint256[]));
        for (uint256 i; i < keys.length; ++i) {
            StateTreeVerifier.Proof memory proof = _proofAt(json, columns, i);
            uint8 namespace = uint8(namespaces[i]);
            assertEq(StateTreeVerifier.keyHash(namespace, artifacts[i]), keys[i]);
            bool valid = _claimsInclusion(columns, i)
                ? harness.verifyArtifact(columns.roots[i], namespace, artifacts[i], proof)
                : harness.verifyAbsent(columns.roots[i], namespace, artifacts[i], proof);
            assertEq(valid, columns.valid[i]);
        }
        assertGt(keys.length, 50);
    }

    function test_emptyTree() public view {
        StateTreeVerifier.Proof memory proof;
        assertTrue(harness.verifyAbsent(PLACEHOLDER, 4, keccak256("a"), proof));
        assertFalse(harness.verifyArtifact(PLACEHOLDER, 4, keccak256("a"), proof));
        assertFalse(harness.verifyAbsent(bytes32(0), 4, keccak256("a"), proof));
    }

    function test_fuzz_otherNamespacesAreRefused(uint8 namespace, uint256 pick) public view {
        Case memory c = included[pick % included.length];
        if (namespace != c.namespace) {
            c.namespace = namespace;
            assertFalse(_included(c));
        }
        if (namespace < 4 || namespace > 8) {
            c = absent[pick % absent.length];
            c.namespace = namespace;
            assertFalse(_absent(c));
        }
    }

    /// Any one part changed and the proof is refused.
    function test_fuzz_mutations(uint256 pick, uint256 part, uint256 which, bytes32 noise)
        public
        view
    {
        bool inclusion = pick & 1 == 0;
        Case memory c = inclusion
            ? included[(pick >> 1) % included.length]
            : absent[(pick >> 1) % absent.length];
        StateTreeVerifier.Proof memory proof = c.proof;
        noise = keccak256(abi.encode(noise));
        part = part % 9;
        if (part == 0) {
            c.root ^= noise;
        } else if (part == 1) {
            // In an exclusion another key may well be absent too: look for one that is there.
            if (!inclusion) return;
            c.artifactHash ^= noise;
        } else if (part == 2) {
            if (proof.siblings.length == 0) return;
            proof.siblings[which % proof.siblings.length] ^= noise;
        } else if (part == 3) {
            proof.siblings = _resize(proof.siblings, proof.siblings.length + 1);
            proof.siblings[which % proof.siblings.length] = noise;
        } else if (part == 4) {
            if (proof.siblings.length == 0) return;
            proof.siblings = _resize(proof.siblings, proof.siblings.length - 1);
        } else if (part == 5) {
            proof.present ^= uint256(1) << (which % 256);
        } else if (part == 6) {
            uint16 depth = uint16(which);
            if (depth == proof.depth) return;
            proof.depth = depth;
        } else if (part == 7) {
            proof.leafKeyHash ^= noise;
        } else {
            proof.leafValueHash ^= noise;
        }
        assertFalse(inclusion ? _included(c) : _absent(c));
    }

    /// A placeholder sent as a sibling would be a second encoding of the same proof.
    /// A sibling on every level, at any depth: the fold of four levels a turn is the plain one, a
    /// placeholder among the siblings is refused, and so is one sibling too few or too many.
    function test_fuzz_fullProofs(uint256 depth, bytes32 artifact, uint256 where, bytes32 noise)
        public
        view
    {
        depth = bound(depth, 0, 256);
        bytes32 key = StateTreeVerifier.keyHash(6, artifact);
        bytes32 node = StateTreeVerifier.leafHash(key, artifact);
        bytes32[] memory siblings = new bytes32[](depth);
        for (uint256 i; i < depth; ++i) {
            siblings[i] = keccak256(abi.encode(noise, i));
            // Bit i of the path, counted from the leaf.
            node = uint256(key) >> (256 - depth + i) & 1 == 1
                ? keccak256(abi.encodePacked("JMT::IntrnalNode", siblings[i], node))
                : keccak256(abi.encodePacked("JMT::IntrnalNode", node, siblings[i]));
        }
        uint256 present = depth == 256 ? type(uint256).max : (uint256(1) << depth) - 1;
        StateTreeVerifier.Proof memory proof =
            StateTreeVerifier.Proof(uint16(depth), present, siblings, 0, 0);
        assertTrue(harness.verifyArtifact(node, 6, artifact, proof));
        assertFalse(harness.verifyArtifact(node ^ bytes32(uint256(1)), 6, artifact, proof));
        if (depth == 0) return;
        bytes32 kept = siblings[where % depth];
        siblings[where % depth] = PLACEHOLDER;
        assertFalse(harness.verifyArtifact(node, 6, artifact, proof));
        siblings[where % depth] = kept ^ bytes32(uint256(1));
        assertFalse(harness.verifyArtifact(node, 6, artifact, proof));
        siblings[where % depth] = kept;
        proof.present ^= 1 << (where % depth);
        assertFalse(harness.verifyArtifact(node, 6, artifact, proof));
        proof.present = present;
        assembly ("memory-safe") {
            mstore(siblings, sub(depth, 1))
        }
        assertFalse(harness.verifyArtifact(node, 6, artifact, proof));
    }

    function test_placeholderAsSiblingIsRefused() public view {
        uint256 tried;
        for (uint256 i; i < absent.length + included.length; ++i) {
            bool inclusion = i >= absent.length;
            Case memory c = inclusion ? included[i - absent.length] : absent[i];
            StateTreeVerifier.Proof memory proof = c.proof;
            for (uint256 level; level < proof.depth; ++level) {
                if (proof.present >> level & 1 == 1) continue;
                c.proof = _withPlaceholder(proof, level);
                assertFalse(inclusion ? _included(c) : _absent(c));
                ++tried;
            }
        }
        assertGt(tried, 5);
    }

    function _withPlaceholder(StateTreeVerifier.Proof memory proof, uint256 level)
        private
        pure
        returns (StateTreeVerifier.Proof memory)
    {
        bytes32[] memory siblings = new bytes32[](proof.siblings.length + 1);
        uint256 next;
        uint256 from;
        for (uint256 i; i < proof.depth; ++i) {
            if (i == level) siblings[next++] = PLACEHOLDER;
            else if (proof.present >> i & 1 == 1) siblings[next++] = proof.siblings[from++];
        }
        return StateTreeVerifier.Proof({
            depth: proof.depth,
            present: proof.present | uint256(1) << level,
            siblings: siblings,
            leafKeyHash: proof.leafKeyHash,
            leafValueHash: proof.leafValueHash
        });
    }

    /// No leaf that is there can be shown to be absent by naming itself as the other leaf.
    function test_ownLeafProvesNoAbsence() public view {
        for (uint256 i; i < included.length; ++i) {
            Case memory c = included[i];
            c.proof.leafKeyHash = StateTreeVerifier.keyHash(c.namespace, c.artifactHash);
            c.proof.leafValueHash = c.artifactHash;
            assertFalse(_absent(c));
        }
    }

    /// Another leaf of the tree, deeper than it shares bits with the key, proves nothing.
    function test_farLeafProvesNoAbsence() public view {
        uint256 refused;
        for (uint256 i; i < included.length; ++i) {
            for (uint256 j; j < included.length; ++j) {
                if (i == j || included[i].root != included[j].root) continue;
                Case memory c = included[i];
                c.proof = included[j].proof;
                c.proof.leafKeyHash =
                    StateTreeVerifier.keyHash(included[j].namespace, included[j].artifactHash);
                c.proof.leafValueHash = included[j].artifactHash;
                assertFalse(_absent(c));
                ++refused;
            }
        }
        assertGt(refused, 100);
    }

    /// Proofs of the longest possible path hold, and one level more is refused.
    function test_depth256() public view {
        bytes32 key = StateTreeVerifier.keyHash(4, keccak256("deep"));
        bytes32[] memory siblings = new bytes32[](256);
        bytes32 node = StateTreeVerifier.leafHash(key, keccak256("deep"));
        for (uint256 i; i < 256; ++i) {
            siblings[i] = keccak256(abi.encode(i));
            node = uint256(key) >> i & 1 == 1
                ? keccak256(abi.encodePacked("JMT::IntrnalNode", siblings[i], node))
                : keccak256(abi.encodePacked("JMT::IntrnalNode", node, siblings[i]));
        }
        StateTreeVerifier.Proof memory proof =
            StateTreeVerifier.Proof(256, type(uint256).max, siblings, 0, 0);
        assertTrue(harness.verifyArtifact(node, 4, keccak256("deep"), proof));
        proof.depth = 257;
        assertFalse(harness.verifyArtifact(node, 4, keccak256("deep"), proof));
        assertFalse(harness.verifyAbsent(node, 4, keccak256("other"), proof));
        proof.leafKeyHash = key;
        assertFalse(harness.verifyAbsent(node, 4, keccak256("other"), proof));
        proof.depth = type(uint16).max;
        assertFalse(harness.verifyAbsent(node, 4, keccak256("other"), proof));
    }

    function test_gas_byDepth() public {
        uint256[5] memory depths = [uint256(0), 8, 16, 20, 30];
        for (uint256 i; i < depths.length; ++i) {
            bytes32 artifact = keccak256(abi.encode("gas", i));
            bytes32 key = StateTreeVerifier.keyHash(6, artifact);
            bytes32[] memory siblings = new bytes32[](depths[i]);
            bytes32 node = StateTreeVerifier.leafHash(key, artifact);
            uint256 path = depths[i] == 0 ? 0 : uint256(key) >> (256 - depths[i]);
            for (uint256 j; j < depths[i]; ++j) {
                siblings[j] = keccak256(abi.encode(i, j));
                node = path >> j & 1 == 1
                    ? keccak256(abi.encodePacked("JMT::IntrnalNode", siblings[j], node))
                    : keccak256(abi.encodePacked("JMT::IntrnalNode", node, siblings[j]));
            }
            StateTreeVerifier.Proof memory proof = StateTreeVerifier.Proof(
                uint16(depths[i]), (uint256(1) << depths[i]) - 1, siblings, 0, 0
            );
            assertTrue(harness.verifyArtifact(node, 6, artifact, proof));
            vm.snapshotGasLastCall(
                "StateTreeVerifier", string.concat("verifyArtifact: depth ", vm.toString(depths[i]))
            );
        }
    }

    function _included(Case memory c) private view returns (bool) {
        return harness.verifyArtifact(c.root, c.namespace, c.artifactHash, c.proof);
    }

    function _absent(Case memory c) private view returns (bool) {
        return harness.verifyAbsent(c.root, c.namespace, c.artifactHash, c.proof);
    }

    function _resize(bytes32[] memory list, uint256 length)
        private
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](length);
        for (uint256 i; i < length && i < list.length; ++i) {
            out[i] = list[i];
        }
    }
}
