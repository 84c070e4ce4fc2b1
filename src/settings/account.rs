//! Accounts and groups of the operating system, as its files list them.

use std::collections::BTreeSet;

/// What `/etc/passwd` and `/etc/group` say. Accounts of directory services are not in them.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads them; what cannot be read lists nobody.
    #[must_use]
    pub fn read() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self { passwd: text("/etc/passwd"), group: text("/etc/group") }
    }

    /// The name of an account.
    #[must_use]
    pub fn name(&self, uid: u32) -> Option<&str> {
        self.accounts().find_map(|(name, number, _group)| (number == uid).then_some(name))
    }

    /// The number of an account: of one that is listed, or the number itself.
    #[must_use]
    pub fn number(&self, account: &str) -> Option<u32> {
        let listed = self.accounts().find_map(|(name, number, _group)| (name == account).then_some(number));
        listed.or_else(|| account.parse().ok())
    }

    /// The name of a group.
    pub(super) fn group(&self, gid: u32) -> Option<&str> {
        self.groups().find_map(|(name, number, _members)| (number == gid).then_some(name))
    }

    /// Who is in a group; `None` if that cannot be known here.
    pub(super) fn members(&self, gid: u32) -> Option<BTreeSet<u32>> {
        let (_name, _gid, named) = self.groups().find(|(_name, number, _members)| *number == gid)?;
        let named = named.split(',').filter(|name| !name.is_empty()).map(|name| self.number(name));
        let first = self.accounts().filter(|(_name, _uid, group)| *group == gid).map(|(_, uid, _)| Some(uid));
        named.chain(first).collect()
    }

    /// Names, numbers and first groups.
    fn accounts(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
            Some((name, uid.parse().ok()?, gid.parse().ok()?))
        })
    }

    /// Names, numbers and members.
    fn groups(&self) -> impl Iterator<Item = (&str, u32, &str)> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, gid) = (fields.next()?, fields.nth(1)?);
            Some((name, gid.parse().ok()?, fields.next().unwrap_or_default()))
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A machine with a private group (`alice`), a shared one (`soc`) and one of a directory service.
    pub(in crate::settings) fn machine() -> Accounts {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# note\nalice:x:1001:1001::/home/alice:/bin/sh\n\
                      bob:x:1002:1002::/home/bob:/bin/sh\nhuntbook:x:990:990::/var/lib/huntbook:/bin/false\n";
        let group = "root:x:0:\nalice:x:1001:\nsoc:x:2000:alice,bob\nremote:x:2001:carol@contoso\n\
                     ops:x:2002:root,huntbook\n";
        Accounts { passwd: passwd.to_owned(), group: group.to_owned() }
    }

    #[test]
    fn an_account_is_called_as_the_machine_calls_it() {
        let machine = machine();
        assert_eq!([0, 1001, 7].map(|uid| machine.name(uid)), [Some("root"), Some("alice"), None]);
        assert_eq!(["alice", "7", "carol"].map(|name| machine.number(name)), [Some(1001), Some(7), None]);
    }

    #[test]
    fn the_members_of_a_group_are_those_named_and_those_whose_first_it_is() {
        let machine = machine();
        assert_eq!(machine.members(1001), Some(BTreeSet::from([1001])));
        assert_eq!(machine.members(2000), Some(BTreeSet::from([1001, 1002])));
        assert_eq!(machine.members(2001), None, "somebody whose number nobody knows");
        assert_eq!(machine.members(4000), None);
    }
}
