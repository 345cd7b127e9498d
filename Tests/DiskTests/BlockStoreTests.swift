import Disk
import Testing
