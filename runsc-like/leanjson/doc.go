// Package leanjson reads and writes JSON of Go values as encoding/json does, for
// programs that live for a few milliseconds.
//
// When encoding/json first meets a type, to read it or to write it, it prepares what
// writes each type that can be reached from there, whether it occurs or not. For a
// container's configuration, with its parts for other systems, that takes ten times
// as long as all the rest of reading it. Here only what occurs is looked at, and
// nothing is remembered: for values that are read again and again this is slow.
//
// The syntax is encoding/json's own business, as are types that have a say in how
// they look (json.Marshaler, encoding.TextMarshaler and their opposites). It differs
// in that names are compared exactly, in that of a name given twice in an object the
// last counts, and in that it can tell what it does not know.
package leanjson
