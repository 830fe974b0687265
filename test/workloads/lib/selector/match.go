// Prints, for each pattern, which names it takes: as Telegraf asks, by an unanchored search.
package main

import (
	"os"
	"regexp"
	"strings"
)

func main() {
	read := func(path string) []string {
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		return strings.Split(string(text), "\n")
	}
	names := read(os.Args[2])
	for _, pattern := range read(os.Args[1]) {
		expression := regexp.MustCompile(pattern)
		row := make([]byte, len(names))
		for index, name := range names {
			row[index] = '0'
			if expression.MatchString(name) {
				row[index] = '1'
			}
		}
		os.Stdout.Write(append(row, '\n'))
	}
}
