package guard

default allow := false

allow if count(deny) == 0

deny contains "not signed by the sender" if not signed

signed if {
	signer := newton.crypto.ecdsa_recover_signer(data.params.signature, data.params.digest)
	lower(signer) == input.from
}
