// Package hub brings models over the network and keeps them: by a short name, as
// a file of a Hugging Face repository, or from an address.
//
//	r, err := hub.Parse("2b4t")
//	if err != nil {
//		return err
//	}
//	store := hub.Store{Folder: folder}
//	entry, err := store.Pull(ctx, r, hub.PullOptions{})
//	if err != nil {
//		return err
//	}
//	m, err := bitnet.Open(entry.Path)
//
// The packages that run models import nothing of this one: a program that has
// its file needs no network.
//
// # What a Store looks like
//
//	models/2b4t.json    what a name stands for: source, size, SHA-256, in JSON
//	files/4221b252…     whole files, each under its SHA-256
//	parts/4221b252….part, .json, .lock
//	                    a download that is not finished, what of it is there, and
//	                    who works on it
//
// Two names of the same contents share one file. A file under files, or under
// the name that [PullOptions.To] leads to, is whole: it was checked against its
// SHA-256, or where nobody knows that, against the length that the server told
// and its own header, written to the disk, and only then renamed. Everything is
// created as the umask says, so that users of a machine can share a folder. To
// find and open a model needs no right to write.
//
// # How a file comes
//
// [Store.Pull] asks for pieces of the file by Range, on several connections
// where the server allows it, and adds up the SHA-256 while they come. What has
// come is recorded every second, after it has reached the disk, so that a
// download goes on where it was after Ctrl-C, kill -9 or a power cut, if by its
// ETag or SHA-256 the file is still the same. Of several processes that pull the
// same, one downloads and the others wait for it.
//
// Trouble that passes (connections cut, silence, status 429 and 5xx) is tried
// again, after a pause that grows, or as long as Retry-After says, up to a
// limit. A try that brought bytes does not count.
//
// Files that Hugging Face's own cache holds are found and used where they are.
package hub
