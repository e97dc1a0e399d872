"""The lender's console: applications, decisions, loans, books and workflows for people with a role."""
