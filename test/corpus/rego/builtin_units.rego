# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.units

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"decimal", "milli", "bytes", "bytes decimal"}

holds contains "decimal" if units.parse("10k") == 10000

holds contains "milli" if units.parse("500m") == 0.5

holds contains "bytes" if units.parse_bytes("2KiB") == 2048

holds contains "bytes decimal" if units.parse_bytes("1MB") == 1000000
