"""The lab: five venues on one machine, judged by their pixels."""
