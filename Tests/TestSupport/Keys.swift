package import Contract

package let testKey = ClusterKey(bytes: [UInt8](0..<32))!
package let otherKey = ClusterKey(bytes: [UInt8](1...32))!
package let testHash = FirmwareHash(bytes: [UInt8](repeating: 0xA5, count: 32))!
package let otherHash = FirmwareHash(bytes: [UInt8](repeating: 0x5A, count: 32))!
