/// Two independent 64-bit hashes of one sequence (multiply and xor-shift with different odd constants).
struct TwinHash {
    private(set) var low: UInt64 = 0x243F_6A88_85A3_08D3
    private(set) var high: UInt64 = 0x1319_8A2E_0370_7344

    mutating func mix(_ value: UInt64) {
        low = (low ^ value) &* 0x9E37_79B9_7F4A_7C15
        low ^= low >> 29
        high = (high &+ value) &* 0xBF58_476D_1CE4_E5B9
        high ^= high >> 32
    }
}
