# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.random

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"stable in one evaluation", "in range", "uuid is a uuid", "uuid stable", "uuid parse"}

holds contains "stable in one evaluation" if rand.intn("a", 1000000) == rand.intn("a", 1000000)

holds contains "in range" if rand.intn("b", 10) < 10

holds contains "uuid is a uuid" if regex.match("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", uuid.rfc4122("k"))

holds contains "uuid stable" if uuid.rfc4122("k") == uuid.rfc4122("k")

holds contains "uuid parse" if uuid.parse("00000000-0000-4000-8000-000000000000").version == 4
