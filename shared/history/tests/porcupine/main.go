// Prints, for each history file named as an argument, whether porcupine finds it linearizable: true or false, one a
// line. The model is the register with conditional create that ../../src/linearizable.rs describes.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"

	"github.com/anishathalye/porcupine"
)

type record struct {
	Session   int     `json:"session"`
	Operation string  `json:"operation"`
	Key       string  `json:"key"`
	Value     *string `json:"value"`
	Start     int64   `json:"start"`
	End       int64   `json:"end"`
	Outcome   string  `json:"outcome"`
	Intent    string  `json:"intent"`
}

const absent = "\x00absent"

func seen(value *string) string {
	if value == nil {
		return absent
	}
	return *value
}

func step(state, input, _ interface{}) (bool, interface{}) {
	held, asked := state.(string), input.(record)
	var possible bool
	after := seen(asked.Value)
	switch asked.Operation {
	case "claim":
		possible = held == absent
	case "write", "delete":
		possible = held != absent
	case "read":
		possible = held == after
	}
	switch asked.Outcome {
	case "ok":
		return possible, after
	case "refused":
		return !possible, held
	default: // unknown: with no end it may also come after everything else, where nobody sees it
		if possible && asked.Operation != "read" {
			return true, after
		}
		return true, held
	}
}

var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[string][]porcupine.Operation{}
		for _, operation := range history {
			key := operation.Input.(record).Key
			keys[key] = append(keys[key], operation)
		}
		parts := [][]porcupine.Operation{}
		for _, part := range keys {
			parts = append(parts, part)
		}
		return parts
	},
	Init:  func() interface{} { return absent },
	Step:  step,
	Equal: func(one, other interface{}) bool { return one == other },
}

// load reads a history and folds the attempts of one answered intent into one operation.
func load(path string) ([]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var records []record
	answered := map[string]record{}
	starts := map[string]int64{}
	wish := func(key string, one record) string { return one.Operation + "\x00" + key + "\x00" + one.Intent }
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var one record
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if one.Operation == "redirect" || (one.Operation == "read" && one.Outcome == "refused") {
			continue
		}
		records = append(records, one)
		if one.Intent == "" || one.Outcome == "refused" {
			continue
		}
		name := wish(one.Key, one)
		if start, found := starts[name]; !found || one.Start < start {
			starts[name] = one.Start
		}
		if first, found := answered[name]; one.Outcome == "ok" && (!found || one.End < first.End) {
			answered[name] = one
		}
	}
	var history []porcupine.Operation
	add := func(one record) {
		end := one.End
		if one.Outcome == "unknown" {
			end = math.MaxInt64
		}
		history = append(history, porcupine.Operation{ClientId: one.Session, Input: one, Call: one.Start, Return: end})
	}
	for _, one := range records {
		_, merged := answered[wish(one.Key, one)]
		if one.Key != "" && (one.Intent == "" || one.Outcome == "refused" || !merged) {
			add(one)
		}
	}
	for name, one := range answered {
		one.Start = starts[name]
		if start, found := starts[wish("", one)]; found && start < one.Start {
			one.Start = start
		}
		add(one)
	}
	return history, lines.Err()
}

func main() {
	for _, path := range os.Args[1:] {
		history, err := load(path)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(porcupine.CheckOperations(model, history))
	}
}
