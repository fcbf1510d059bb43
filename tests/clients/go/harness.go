package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"
)

const (
	frameMax  = 131072
	largeBody = 64 << 20
	// How long anything may take; far more than it needs, so that a broken check ends.
	limit      = 20 * time.Second
	largeLimit = 60 * time.Second
	heartbeat  = time.Second
	// Longer than the time after which either side gives up a silent peer.
	idle     = 3500 * time.Millisecond
	channels = 1000
)

// Around the edge of one frame: a body frame carries frameMax - 8 bytes.
var bodySizes = []int{0, 1, frameMax - 8, frameMax - 7, frameMax, 1 << 20}

// check prints that the check holds if work does not fail, and ends the program if it does.
func check(name string, work func()) {
	done := false
	defer func() {
		if !done {
			fmt.Fprintf(os.Stderr, "failed: %s\n", name)
		}
	}()
	work()
	done = true
	fmt.Println("ok", name)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(what string, actual, expected interface{}) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("%s: expected %#v, got %#v", what, expected, actual))
	}
}

// unique is a name that no other run uses.
func unique(name string) string {
	return fmt.Sprintf("clients.%s.%d.%d", name, os.Getpid(), time.Now().UnixNano())
}

func noQueue(name string) string {
	return fmt.Sprintf("NOT_FOUND - no queue '%s' in vhost '/'", name)
}

func inequivalentDurable(name string) string {
	return fmt.Sprintf("PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' "+
		"in vhost '/': received 'true' but current is 'false'", name)
}

// withPassword is the broker's URL with another password.
func withPassword(broker, password string) string {
	place, err := url.Parse(broker)
	must(err)
	place.User = url.UserPassword(place.User.Username(), password)
	return place.String()
}

// body is as many bytes that do not repeat, the same ones at every call.
func body(size int) []byte {
	bytes := make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(bytes)
	return bytes
}

// sameBody compares by length and hash: the difference of two large bodies is not worth printing.
func sameBody(actual, expected []byte) {
	equal("length of the body", len(actual), len(expected))
	equal("SHA-256 of the body", sha256.Sum256(actual), sha256.Sum256(expected))
}

// eventually asks until the answer is yes.
func eventually(what string, limit time.Duration, ask func() bool) {
	end := time.Now().Add(limit)
	for !ask() {
		if time.Now().After(end) {
			panic(fmt.Sprintf("waited %v in vain until %s", limit, what))
		}
	}
}

// late says what was waited for in vain.
func late(what string) {
	panic(fmt.Sprintf("waited %v in vain for %s", limit, what))
}

func startsWith(text, start string) {
	if !strings.HasPrefix(text, start) {
		panic(fmt.Sprintf("%q does not start with %q", text, start))
	}
}
