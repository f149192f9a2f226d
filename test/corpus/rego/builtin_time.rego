# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.time

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"parse", "parse layout", "duration", "date", "clock", "zone", "weekday", "add", "diff", "format", "now is the reference block"}

holds contains "parse" if time.parse_rfc3339_ns("2023-11-14T22:13:20Z") == 1700000000000000000

holds contains "parse layout" if time.parse_ns("2006-01-02", "2023-11-14") == 1699920000000000000

holds contains "duration" if time.parse_duration_ns("1h30m") == 5400000000000

holds contains "date" if time.date(1700000000000000000) == [2023, 11, 14]

holds contains "clock" if time.clock(1700000000000000000) == [22, 13, 20]

holds contains "zone" if time.clock([1700000000000000000, "Europe/Berlin"]) == [23, 13, 20]

holds contains "weekday" if time.weekday(1700000000000000000) == "Tuesday"

holds contains "add" if time.add_date(1700000000000000000, 0, 0, 1) == 1700086400000000000

holds contains "diff" if time.diff(1700086400000000000, 1700000000000000000) == [0, 0, 1, 0, 0, 0]

holds contains "format" if time.format(1700000000000000000) == "2023-11-14T22:13:20Z"

holds contains "now is the reference block" if time.now_ns() == 1700000000000000000
