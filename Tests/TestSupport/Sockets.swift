import Glibc

/// A connected pair of stream sockets, as descriptors.
package func socketPair() -> (Int32, Int32) {
    var pair: [Int32] = [0, 0]
    // SAFETY: room for the two descriptors is there.
    precondition(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0, "no socket pair")
    return (pair[0], pair[1])
}
