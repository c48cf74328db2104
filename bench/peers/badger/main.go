// The bench's driver of BadgerDB: `badger '<order as JSON>'` runs one session and prints its result as the last line;
// `badger --version` prints the version measured.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const measuredModule = "github.com/dgraph-io/badger/v4"

// version is of Badger, and of the Go that built it.
func version() string {
	found := "of unknown version"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == measuredModule {
				found = module.Version
			}
		}
	}
	return fmt.Sprintf("%s (%s)", found, runtime.Version())
}

func run(text string) error {
	if text == "--version" {
		fmt.Println(version())
		return nil
	}
	wanted, err := parseOrder(text)
	if err != nil {
		return err
	}
	done, err := runSession(wanted, version())
	if err != nil {
		return err
	}
	line, err := json.Marshal(done)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	if wanted.staysOpen() {
		time.Sleep(time.Hour) // Killed long before: nothing may be closed.
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: badger '<order as JSON>' | --version")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
