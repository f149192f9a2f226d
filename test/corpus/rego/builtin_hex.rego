# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.hex

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"encode", "decode"}

holds contains "encode" if hex.encode("abc") == "616263"

holds contains "decode" if hex.decode("616263") == "abc"
