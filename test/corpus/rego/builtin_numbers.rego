# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.numbers

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"abs", "ceil", "floor", "round up", "round down", "range", "range down", "range step"}

holds contains "abs" if abs(-3) == 3

holds contains "ceil" if ceil(1.2) == 2

holds contains "floor" if floor(1.8) == 1

holds contains "round up" if round(2.5) == 3

holds contains "round down" if round(2.4) == 2

holds contains "range" if numbers.range(1, 4) == [1, 2, 3, 4]

holds contains "range down" if numbers.range(3, 1) == [3, 2, 1]

holds contains "range step" if numbers.range_step(0, 10, 5) == [0, 5, 10]
