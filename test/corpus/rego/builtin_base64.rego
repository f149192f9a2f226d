# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.base64

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"encode", "decode", "valid", "invalid", "url encode", "url no pad", "url decode"}

holds contains "encode" if base64.encode("hello") == "aGVsbG8="

holds contains "decode" if base64.decode("aGVsbG8=") == "hello"

holds contains "valid" if base64.is_valid("aGVsbG8=")

holds contains "invalid" if base64.is_valid("?") == false

holds contains "url encode" if base64url.encode("??>") == "Pz8-"

holds contains "url no pad" if base64url.encode_no_pad("a") == "YQ"

holds contains "url decode" if base64url.decode("Pz8-") == "??>"
