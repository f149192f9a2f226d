# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.newton_crypto

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"recover", "recover personal"}

holds contains "recover" if lower(newton.crypto.ecdsa_recover_signer("0x433ec3d37e4f1253df15e2dea412fed8e915737730f74b3dfb1353268f932ef5557c9158e0b34bce39de28d11797b42e9b1acb2749230885fe075aedc3e491a41b", "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8")) == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"

holds contains "recover personal" if lower(newton.crypto.ecdsa_recover_signer_personal("0xe5ddc160e4c8f92de507c7db9b982d4f9b7197bfa421864aeadc586bc96b09ae0ba0c5b131650ae4994cff1839341d00f3735ef5abc62ac8fe2cf50f65208e2a1b", "hello")) == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
