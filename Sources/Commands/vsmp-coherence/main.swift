import CoherenceCommands
import Platform

ProgramStart.prepare()
CoherenceRootCommand.runChecked()
