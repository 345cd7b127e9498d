internal import Foundation

/// The scripts on the boot path that a release image has byte for byte as this SDK ships them: whatever else they said could open a shell.
enum ShippedScripts: String, CaseIterable {
    /// What GRUB does (firmware/grub.cfg).
    case grub = "grub.cfg"
    /// The first process (firmware/init).
    case initScript = "init"

    /// SHA-256 of every version that was shipped, the present one first.
    var digests: [String] {
        switch self {
        case .grub: ["fa81b8e021e1ce1a01104d2d6caa09359e73fae3a157e41347ecf9a379057f18"]
        case .initScript:
            [
                "5947ff67c9ef5875628e69886a0eb84c88118cedc357c79f042255d46b93f220",
                "19cb423d4e5f06ef0ea8171664234f9be7d8d6457ef6152f40455056176d6ed1",
                "fa7b501fe6793607dfa7a0c679d2e930a4f99d643f02607c670683f40fed988c",
                "7e9bd15b63fd5e2c4a967c518aaa496c402d5d9aee44aed8d915a17a867d2a11",
                "b2ba7c050a2e1e36b2bed1ce7aeb04fc0dd135df401440556fcabf5749ba71c2",
                "d795db245a1835ba62179ac61b012da54279ee920a12ebae2495c9040dae6e53",
                "43c16f9d95413186c352bf99ab5b7d5b7184488026483d2d214879416793b889",
                "6b24947f7b25821866bf9248276455f5715b24542318c3f563ce200c8976aad2",
            ]
        }
    }

    func isShipped(_ content: Data) -> Bool { digests.contains(ContentDigest(of: content).description) }
}
