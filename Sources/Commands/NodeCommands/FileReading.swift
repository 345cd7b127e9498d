internal import Contract
import Platform

/// A whole file of the stick or of the kernel, or nil when it cannot be read.
func readFile(_ path: String) -> [UInt8]? {
    // A guest's initial file system may be as large as the boot partition.
    do throws(FileReadError) { return try WholeFile.read(path, atMost: 4 << 30) } catch { return nil }
}

func readText(_ path: String) -> String? { readFile(path).map { String(decoding: $0, as: UTF8.self) } }

/// What the image says of itself on one line, in `folder`; nil when it does not say it.
func readFact(_ fact: ImageFact, in folder: String) -> String? { readFile(fact.path(in: folder)).flatMap { ImageFact.value($0) } }
