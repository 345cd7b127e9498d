import CGuestCheck
import Testing

@Suite struct MemoryPatternTests {
    /// Pages 0...3 written, one word changed by `damage`: the page that the check names.
    private func firstWrongPage(seed: UInt64 = 7, _ damage: (inout [UInt64]) -> Void) -> UInt64 {
        var words = [UInt64](repeating: 0, count: 4 * 512)
        // SAFETY: four pages of 512 words each.
        unsafe words.withUnsafeMutableBytes { unsafe gc_pattern_write($0.baseAddress!, 0, 4, 7) }
        damage(&words)
        return unsafe words.withUnsafeBytes { unsafe gc_pattern_check($0.baseAddress!, 0, 4, seed) }
    }

    @Test func anyDamagedWordIsFound() {
        #expect(firstWrongPage { _ in } == .max)
        for word in 0..<512 {
            #expect(firstWrongPage { $0[2 * 512 + word] ^= 1 << UInt64(word % 64) } == 2)
        }
    }

    @Test func lostSwappedAndForeignPagesAreFound() {
        #expect(firstWrongPage { for word in 512..<1024 { $0[word] = 0 } } == 1)
        #expect(firstWrongPage { for word in 0..<512 { $0.swapAt(1024 + word, 1536 + word) } } == 2)
        #expect(firstWrongPage(seed: 8) { _ in } == 0)
    }
}
