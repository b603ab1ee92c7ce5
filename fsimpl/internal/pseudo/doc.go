// Package pseudo builds file systems whose files are Go values: proc, sys and
// the like.
//
//   - It owns inode numbers, attributes, directory reading and the way in which
//     a generated text is read piece by piece. What the text says belongs to
//     whoever implements Content.
//   - It may import vfs only.
//
// A tree is made of Dir (entries fixed at boot), Dynamic (entries asked for each
// time), Text (a file generated at open), Link and Jump (a link that leads to an
// object).
package pseudo
