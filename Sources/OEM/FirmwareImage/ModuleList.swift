import Bytes
import Contract
internal import BoardSupport

/// The modules a firmware loads, in order, as `firmware/modules.conf` writes them: a condition, a name, parameters.
///
///     -    usb_storage
///     svm  kvm_amd  npt=0
package struct ModuleList: Equatable, Sendable {
    /// When a module is loaded: always, or if the processor has that flag in /proc/cpuinfo.
    package enum Condition: String, Sendable {
        case always = "-"
        case svm, vmx
    }

    package struct Item: Equatable, Sendable {
        package let condition: Condition
        package let name: String
        package let parameters: [String]

        package init(_ name: String, when condition: Condition = .always, parameters: [String] = []) {
            self.condition = condition
            self.name = KernelModule.canonical(name)
            self.parameters = parameters
        }
    }

    package var items: [Item]

    package init(text: String, origin: String) throws(ImageError) {
        items = []
        for line in try InputText(input: text.utf8, place: origin).lines {
            let fields = line.text.prefix { $0 != "#" }.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
            if fields.isEmpty { continue }
            guard fields.count >= 2, let condition = Condition(rawValue: fields[0]) else {
                throw ImageError(
                    .badInput,
                    "\(origin):\(line.number): expected \"CONDITION MODULE [PARAMETER=VALUE ...]\" with condition -, svm "
                        + "or vmx, found \"\(printable(line.text))\"")
            }
            items.append(Item(fields[1], when: condition, parameters: Array(fields.dropFirst(2))))
        }
    }
}
