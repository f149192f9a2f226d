# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.bits

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"and", "or", "xor", "lsh", "rsh", "negate"}

holds contains "and" if bits.and(12, 10) == 8

holds contains "or" if bits.or(12, 10) == 14

holds contains "xor" if bits.xor(12, 10) == 6

holds contains "lsh" if bits.lsh(1, 8) == 256

holds contains "rsh" if bits.rsh(256, 4) == 16

holds contains "negate" if bits.negate(5) == -6
